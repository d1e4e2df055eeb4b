/* Gated perceptrons of gathered rows, forward and backward, a block of rows at a time.

For each row r

    h0 = bias + sum_p parts[p][part_rows[p][r]] + own_matrix own[r]
    core, gate = halves of h0; for each layer: core = C silu(core) + c, gate = G silu(gate) + g
    core, gate = their layer norms, if any
    m = silu(core) sigmoid(gate) prod_w weights[w][weight_rows[w][r]]

is added to out[segments[r]], or is out[r], with own[r] added where residual is set. The backward pass
computes a block's intermediates again instead of reading them from memory. Included once for each
number format. */

#define Vec NAME(vector)
#define LANES ((int64_t)(VECTOR_BYTES / sizeof(REAL)))

typedef REAL Vec __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
typedef INTEGER NAME(integers) __attribute__((vector_size(VECTOR_BYTES)));

#define AT(pointer) (*(Vec *)(pointer))
#define READ(pointer) (*(const Vec *)(pointer))

static inline REAL NAME(sum)(Vec x) {
    REAL total = 0;
    for (int64_t k = 0; k < LANES; k++) total += x[k];
    return total;
}

/* a where the mask is set, else b. */
static inline Vec NAME(select)(NAME(integers) mask, Vec a, Vec b) {
    return (Vec)((mask & (NAME(integers))a) | (~mask & (NAME(integers))b));
}

/* Not-a-number stays what it is: comparisons with it are false. */
static inline Vec NAME(exponential)(Vec x) {
    const Vec low = (Vec){0} + (REAL)EXP_LOW, high = (Vec){0} + (REAL)EXP_HIGH;
    x = NAME(select)(x < low, low, x);
    x = NAME(select)(x > high, high, x);
    const Vec n = (x * (REAL)1.44269504088896340736 + (REAL)ROUNDING) - (REAL)ROUNDING;
    const Vec r = (x - n * (REAL)LN2_HIGH) - n * (REAL)LN2_LOW;
    REAL inverse[TAYLOR_TERMS + 1];
    inverse[0] = 1;
    for (int k = 1; k <= TAYLOR_TERMS; k++) inverse[k] = inverse[k - 1] / k;
    Vec p = (Vec){0} + inverse[TAYLOR_TERMS];
    for (int k = TAYLOR_TERMS - 1; k >= 0; k--) p = p * r + inverse[k];
    const NAME(integers) power = __builtin_convertvector(n, NAME(integers));
    return p * (Vec)((power + EXPONENT_BIAS) << MANTISSA_BITS);
}

static inline Vec NAME(sigmoid)(Vec x) { return 1 / (1 + NAME(exponential)(-x)); }

static inline __attribute__((always_inline)) void NAME(tile)(
    const REAL *x, int64_t ldx, int64_t k, const REAL *w, int64_t ldw, const REAL *bias, REAL *y,
    int64_t ldy, const int vectors) {
    Vec sums[TILE_ROWS][TILE_VECTORS];
    for (int c = 0; c < vectors; c++) {
        const Vec start = bias ? READ(bias + c * LANES) : (Vec){0};
        for (int r = 0; r < TILE_ROWS; r++) sums[r][c] = start;
    }
    for (int64_t i = 0; i < k; i++) {
        Vec columns[TILE_VECTORS];
        for (int c = 0; c < vectors; c++) columns[c] = READ(w + i * ldw + c * LANES);
        for (int r = 0; r < TILE_ROWS; r++) {
            const REAL factor = x[r * ldx + i];
            for (int c = 0; c < vectors; c++) sums[r][c] += factor * columns[c];
        }
    }
    for (int r = 0; r < TILE_ROWS; r++)
        for (int c = 0; c < vectors; c++) AT(y + r * ldy + c * LANES) = sums[r][c];
}

/* y (rows, n) = bias + x (rows, k) w (k, n); rows are a multiple of TILE_ROWS, n of LANES. */
static void NAME(product)(const REAL *x, int64_t ldx, int64_t rows, int64_t k, const REAL *w,
                          int64_t n, const REAL *bias, REAL *y, int64_t ldy) {
    for (int64_t r = 0; r < rows; r += TILE_ROWS) {
        int64_t c = 0;
        for (; c + TILE_VECTORS * LANES <= n; c += TILE_VECTORS * LANES)
            NAME(tile)(x + r * ldx, ldx, k, w + c, n, bias ? bias + c : 0, y + r * ldy + c, ldy,
                       TILE_VECTORS);
        for (; c < n; c += LANES)
            NAME(tile)(x + r * ldx, ldx, k, w + c, n, bias ? bias + c : 0, y + r * ldy + c, ldy, 1);
    }
}

/* Matrices as the products need them, and what a block of rows goes through. */
typedef struct {
    REAL *own_forward, *own_backward, *core[MAX_LAYERS], *gate[MAX_LAYERS];
    REAL *hidden[MAX_LAYERS + 1], *sigmoids[MAX_LAYERS], *own, *active, *grad, *other;
    void *memory;
} NAME(Work);

static void NAME(transpose)(const REAL *a, int64_t rows, int64_t columns, REAL *b) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) b[j * rows + i] = a[i * columns + j];
}

static int NAME(prepare)(const Call *call, NAME(Work) * work) {
    const int64_t half = call->half, width = 2 * half, own = call->own_width;
    const int64_t own_padded = padded(own, LANES);
    const int64_t wide = own_padded > width ? own_padded : width;
    const int64_t sizes = width * own + width * own_padded + 2 * call->n_layers * half * half +
                          BLOCK * (width * (2 * call->n_layers + 3) + own + wide);
    const int64_t aligned = 64 / (int64_t)sizeof(REAL);
    REAL *next;
    if (posix_memalign(&work->memory, 64, (size_t)(sizes + 20 * aligned) * sizeof(REAL))) return 1;
    next = work->memory;
#define TAKE(size) (next += padded(size, aligned), next - padded(size, aligned))
    work->own_forward = TAKE(width * own);
    work->own_backward = TAKE(width * own_padded);
    work->own = TAKE(BLOCK * own);
    for (int64_t l = 0; l < call->n_layers; l++) {
        work->core[l] = TAKE(half * half);
        work->gate[l] = TAKE(half * half);
        work->sigmoids[l] = TAKE(BLOCK * width);
        NAME(transpose)(call->core[l], half, half, work->core[l]);
        NAME(transpose)(call->gate[l], half, half, work->gate[l]);
    }
    for (int64_t l = 0; l <= call->n_layers; l++) work->hidden[l] = TAKE(BLOCK * width);
    work->active = TAKE(BLOCK * width);
    work->grad = TAKE(BLOCK * width);
    work->other = TAKE(BLOCK * wide);
#undef TAKE
    if (own) {
        const REAL *matrix = call->own_matrix;
        NAME(transpose)(matrix, width, own, work->own_forward);
        memset(work->own_backward, 0, (size_t)(width * own_padded) * sizeof(REAL));
        for (int64_t i = 0; i < width; i++)
            memcpy(work->own_backward + i * own_padded, matrix + i * own, (size_t)own * sizeof(REAL));
        memset(work->own, 0, (size_t)(BLOCK * own) * sizeof(REAL));
    }
    memset(work->hidden[0], 0, (size_t)(BLOCK * width) * sizeof(REAL));
    memset(work->grad, 0, (size_t)(BLOCK * width) * sizeof(REAL));
    return 0;
}

/* Both branches before their last activation, in hidden[n_layers], of n rows from `start` on. */
static void NAME(branches)(const Call *call, NAME(Work) * work, int64_t start, int64_t n) {
    const int64_t half = call->half, width = 2 * half, own = call->own_width;
    const int64_t full = padded(n, TILE_ROWS);
    const REAL *bias = call->bias;
    REAL *first = work->hidden[0];
    if (own) {
        memcpy(work->own, (const REAL *)call->own + start * own, (size_t)(n * own) * sizeof(REAL));
        NAME(product)(work->own, own, full, own, work->own_forward, width, bias, first, width);
    } else {
        for (int64_t r = 0; r < n; r++)
            for (int64_t c = 0; c < width; c += LANES)
                AT(first + r * width + c) = bias ? READ(bias + c) : (Vec){0};
    }
    for (int64_t p = 0; p < call->n_parts; p++) {
        const int32_t *rows = call->part_rows[p] + start;
        for (int64_t r = 0; r < n; r++) {
            const REAL *part = (const REAL *)call->parts[p] + rows[r] * call->part_pitch[p];
            for (int64_t c = 0; c < width; c += LANES) AT(first + r * width + c) += READ(part + c);
        }
    }
    for (int64_t l = 0; l < call->n_layers; l++) {
        const REAL *hidden = work->hidden[l];
        REAL *next = work->hidden[l + 1], *sigmoids = work->sigmoids[l], *active = work->active;
        for (int64_t k = 0; k < n * width; k += LANES) {
            const Vec x = READ(hidden + k), s = NAME(sigmoid)(x);
            AT(sigmoids + k) = s;
            AT(active + k) = x * s;
        }
        NAME(product)(active, width, full, half, work->core[l], half, call->core_bias[l], next, width);
        NAME(product)(active + half, width, full, half, work->gate[l], half, call->gate_bias[l],
                      next + half, width);
    }
}

/* Mean and inverse deviation of a row. */
static inline void NAME(moments)(const REAL *x, int64_t n, double eps, REAL *mean, REAL *inverse) {
    Vec total = (Vec){0}, squares = (Vec){0};
    for (int64_t c = 0; c < n; c += LANES) total += READ(x + c);
    *mean = NAME(sum)(total) / n;
    for (int64_t c = 0; c < n; c += LANES) {
        const Vec d = READ(x + c) - *mean;
        squares += d * d;
    }
    *inverse = (REAL)(1 / sqrt((double)(NAME(sum)(squares) / n) + eps));
}

/* Where a row's weights begin. */
static inline const REAL *NAME(weight)(const Call *call, int64_t w, int64_t row) {
    const int64_t at = call->weight_rows[w] ? call->weight_rows[w][row] : row;
    return (const REAL *)call->weights[w] + at * call->half;
}

static inline Vec NAME(normed)(const REAL *x, REAL mean, REAL inverse, const void *const *norm,
                               int64_t c) {
    if (!norm[0]) return READ(x + c);
    return (READ(x + c) - mean) * inverse * READ((const REAL *)norm[0] + c) +
           READ((const REAL *)norm[1] + c);
}

int NAME(gated_forward)(const Call *call) {
    const int64_t half = call->half, width = 2 * half;
    NAME(Work) work;
    if (NAME(prepare)(call, &work)) return 1;
    for (int64_t start = 0; start < call->rows; start += BLOCK) {
        const int64_t n = call->rows - start < BLOCK ? call->rows - start : BLOCK;
        NAME(branches)(call, &work, start, n);
        for (int64_t r = 0; r < n; r++) {
            const REAL *core = work.hidden[call->n_layers] + r * width, *gate = core + half;
            const int64_t row = start + r;
            REAL *out = (REAL *)call->out + (call->segments ? call->segments[row] : row) * half;
            REAL mean[2] = {0, 0}, inverse[2] = {1, 1};
            if (call->core_norm[0]) {
                NAME(moments)(core, half, call->core_eps, mean, inverse);
                NAME(moments)(gate, half, call->gate_eps, mean + 1, inverse + 1);
            }
            for (int64_t c = 0; c < half; c += LANES) {
                const Vec x = NAME(normed)(core, mean[0], inverse[0], call->core_norm, c);
                const Vec y = NAME(normed)(gate, mean[1], inverse[1], call->gate_norm, c);
                Vec m = x * NAME(sigmoid)(x) * NAME(sigmoid)(y);
                for (int64_t w = 0; w < call->n_weights; w++)
                    m *= READ(NAME(weight)(call, w, row) + c);
                if (call->segments) m += READ(out + c);
                if (call->residual) m += READ((const REAL *)call->own + row * half + c);
                AT(out + c) = m;
            }
        }
    }
    free(work.memory);
    return 0;
}

/* Gradient through a layer norm: of its input, from that of its result, in place. */
static inline void NAME(norm_backward)(const REAL *x, int64_t n, REAL mean, REAL inverse,
                                       const REAL *factor, REAL *grad) {
    Vec total = (Vec){0}, along = (Vec){0};
    for (int64_t c = 0; c < n; c += LANES) {
        const Vec g = READ(grad + c) * READ(factor + c);
        AT(grad + c) = g;
        total += g;
        along += g * (READ(x + c) - mean);
    }
    const REAL shift = NAME(sum)(total) / n, slope = NAME(sum)(along) * inverse * inverse / n;
    for (int64_t c = 0; c < n; c += LANES)
        AT(grad + c) = inverse * (READ(grad + c) - shift - slope * (READ(x + c) - mean));
}

/* Gradients of both branches before their last activation, of one row, and of its weights. */
static inline void NAME(row_backward)(const Call *call, const REAL *core, int64_t row, REAL *grad) {
    const int64_t half = call->half;
    const REAL *gate = core + half;
    const REAL *above = (const REAL *)call->grad + (call->segments ? call->segments[row] : row) * half;
    REAL mean[2] = {0, 0}, inverse[2] = {1, 1};
    if (call->core_norm[0]) {
        NAME(moments)(core, half, call->core_eps, mean, inverse);
        NAME(moments)(gate, half, call->gate_eps, mean + 1, inverse + 1);
    }
    for (int64_t c = 0; c < half; c += LANES) {
        const Vec x = NAME(normed)(core, mean[0], inverse[0], call->core_norm, c);
        const Vec y = NAME(normed)(gate, mean[1], inverse[1], call->gate_norm, c);
        const Vec s = NAME(sigmoid)(x), g = NAME(sigmoid)(y), f = x * s;
        Vec d = READ(above + c);
        for (int64_t w = 0; w < call->n_weights; w++) {
            if (call->grad_weights[w]) {
                Vec part = d * f * g;
                for (int64_t v = 0; v < call->n_weights; v++)
                    if (v != w) part *= READ(NAME(weight)(call, v, row) + c);
                REAL *to = (REAL *)call->grad_weights[w] +
                           (call->weight_rows[w] ? call->weight_rows[w][row] : row) * half + c;
                if (call->weight_rows[w]) part += READ(to);
                AT(to) = part;
            }
        }
        for (int64_t w = 0; w < call->n_weights; w++) d *= READ(NAME(weight)(call, w, row) + c);
        AT(grad + c) = d * g * (s * (1 + x * (1 - s)));
        AT(grad + half + c) = d * f * (g * (1 - g));
    }
    if (call->core_norm[0]) {
        NAME(norm_backward)(core, half, mean[0], inverse[0], call->core_norm[0], grad);
        NAME(norm_backward)(gate, half, mean[1], inverse[1], call->gate_norm[0], grad + half);
    }
}

int NAME(gated_backward)(const Call *call) {
    const int64_t half = call->half, width = 2 * half, own = call->own_width;
    const int64_t own_padded = padded(own, LANES);
    NAME(Work) work;
    if (NAME(prepare)(call, &work)) return 1;
    for (int64_t start = 0; start < call->rows; start += BLOCK) {
        const int64_t n = call->rows - start < BLOCK ? call->rows - start : BLOCK;
        const int64_t full = padded(n, TILE_ROWS);
        NAME(branches)(call, &work, start, n);
        for (int64_t r = 0; r < n; r++)
            NAME(row_backward)(call, work.hidden[call->n_layers] + r * width, start + r,
                               work.grad + r * width);
        for (int64_t l = call->n_layers - 1; l >= 0; l--) {
            NAME(product)(work.grad, width, full, half, call->core[l], half, 0, work.other, width);
            NAME(product)(work.grad + half, width, full, half, call->gate[l], half, 0,
                          work.other + half, width);
            for (int64_t k = 0; k < n * width; k += LANES) {
                const Vec x = READ(work.hidden[l] + k), s = READ(work.sigmoids[l] + k);
                AT(work.grad + k) = READ(work.other + k) * (s * (1 + x * (1 - s)));
            }
        }
        for (int64_t p = 0; p < call->n_parts; p++) {
            if (!call->grad_parts[p]) continue;
            const int32_t *rows = call->part_rows[p] + start;
            for (int64_t r = 0; r < n; r++) {
                REAL *to = (REAL *)call->grad_parts[p] + rows[r] * call->part_pitch[p];
                for (int64_t c = 0; c < width; c += LANES)
                    AT(to + c) += READ(work.grad + r * width + c);
            }
        }
        if (call->grad_own) {
            NAME(product)(work.grad, width, full, width, work.own_backward, own_padded, 0, work.other,
                          own_padded);
            for (int64_t r = 0; r < n; r++) {
                REAL *to = (REAL *)call->grad_own + (start + r) * own;
                const REAL *from = work.other + r * own_padded;
                const REAL *above = (const REAL *)call->grad + (start + r) * half;
                for (int64_t c = 0; c < own; c++) to[c] = call->residual ? from[c] + above[c] : from[c];
            }
        }
    }
    free(work.memory);
    return 0;
}

/* y (rows, n) = bias + x (rows, k) w (k, n), n a multiple of LANES. */
void NAME(linear)(const REAL *x, int64_t rows, int64_t k, const REAL *w, int64_t n, const REAL *bias,
                  REAL *y) {
    const int64_t whole = rows / TILE_ROWS * TILE_ROWS;
    NAME(product)(x, k, whole, k, w, n, bias, y, n);
    for (int64_t r = whole; r < rows; r++)
        for (int64_t c = 0; c < n; c += LANES) {
            Vec total = bias ? READ(bias + c) : (Vec){0};
            for (int64_t i = 0; i < k; i++) total += x[r * k + i] * READ(w + i * n + c);
            AT(y + r * n + c) = total;
        }
}

#undef Vec
#undef LANES
#undef AT
#undef READ
