/* Gated perceptrons of gathered rows, forward and backward, a block of rows at a time.

For each row r

    h0 = bias + sum_p parts[p][part_rows[p][r]] + own_matrix own[r]
    core, gate = halves of h0; for each layer: core = C silu(core) + c, gate = G silu(gate) + g
    core, gate = their layer norms, if any
    m = silu(core) sigmoid(gate) prod_w weight_w, which is weights[w][weight_rows[w][r]], or
        weight_matrix[w] weights[w][r]

is added to out[segments[r]], or is out[r], with own[r] added where residual is set. The backward pass
computes a block's intermediates again instead of reading them from memory. Included once for each
number format, after vectors.h. */

/* Matrices as the products need them, and what a block of rows goes through. */
typedef struct {
    REAL *own_forward, *own_backward, *core[MAX_LAYERS], *gate[MAX_LAYERS];
    REAL *hidden[MAX_LAYERS + 1], *sigmoids[MAX_LAYERS], *own, *active, *grad, *other;
    REAL *weight_forward[MAX_WEIGHTS], *weight_backward[MAX_WEIGHTS];
    REAL *weights[MAX_WEIGHTS], *weight_grads[MAX_WEIGHTS], *narrow;
    void *memory;
} NAME(Work);

static REAL *NAME(take)(REAL **next, int64_t size) {
    REAL *taken = *next;
    *next += padded(size, 64 / (int64_t)sizeof(REAL));
    return taken;
}

/* Divides memory from `next` on among the buffers; with next = 0 only its end is of use. */
static REAL *NAME(divide)(const Call *call, NAME(Work) * work, REAL *next) {
    const int64_t width = 2 * call->widths[0], last = call->widths[call->n_layers];
    const int64_t own = call->own_width;
    int64_t wide = padded(own, LANES), narrow = own;
    for (int64_t w = 0; w < call->n_weights; w++) {
        const int64_t k = call->weight_width[w], k_padded = padded(k, LANES);
        if (!call->weight_matrix[w]) continue;
        work->weight_forward[w] = NAME(take)(&next, k * last);
        work->weight_backward[w] = NAME(take)(&next, last * k_padded);
        work->weights[w] = NAME(take)(&next, BLOCK * last);
        work->weight_grads[w] = NAME(take)(&next, BLOCK * last);
        if (k > narrow) narrow = k;
        if (k_padded > wide) wide = k_padded;
    }
    work->own_forward = NAME(take)(&next, width * own);
    work->own_backward = NAME(take)(&next, width * padded(own, LANES));
    for (int64_t l = 0; l < call->n_layers; l++) {
        work->core[l] = NAME(take)(&next, call->widths[l] * call->widths[l + 1]);
        work->gate[l] = NAME(take)(&next, call->widths[l] * call->widths[l + 1]);
        work->sigmoids[l] = NAME(take)(&next, BLOCK * 2 * call->widths[l]);
    }
    for (int64_t l = 0; l <= call->n_layers; l++) {
        work->hidden[l] = NAME(take)(&next, BLOCK * 2 * call->widths[l]);
        if (2 * call->widths[l] > wide) wide = 2 * call->widths[l];
    }
    work->active = NAME(take)(&next, BLOCK * wide);
    work->grad = NAME(take)(&next, BLOCK * wide);
    work->other = NAME(take)(&next, BLOCK * wide);
    work->narrow = NAME(take)(&next, BLOCK * narrow);
    return next;
}

static int NAME(prepare)(const Call *call, NAME(Work) * work) {
    const int64_t width = 2 * call->widths[0], last = call->widths[call->n_layers];
    const int64_t own = call->own_width;
    memset(work, 0, sizeof(*work));
    const size_t size = (size_t)((char *)NAME(divide)(call, work, 0) - (char *)0);
    if (posix_memalign(&work->memory, 64, size)) return 1;
    memset(work->memory, 0, size); /* rows that fill up a tile are numbers */
    NAME(divide)(call, work, work->memory);
    for (int64_t l = 0; l < call->n_layers; l++) {
        NAME(transpose)(call->core[l], call->widths[l + 1], call->widths[l], work->core[l]);
        NAME(transpose)(call->gate[l], call->widths[l + 1], call->widths[l], work->gate[l]);
    }
    if (own) {
        NAME(transpose)(call->own_matrix, width, own, work->own_forward);
        NAME(pad)(call->own_matrix, width, own, work->own_backward);
    }
    for (int64_t w = 0; w < call->n_weights; w++) {
        const int64_t k = call->weight_width[w];
        if (!call->weight_matrix[w]) continue;
        NAME(transpose)(call->weight_matrix[w], last, k, work->weight_forward[w]);
        NAME(pad)(call->weight_matrix[w], last, k, work->weight_backward[w]);
    }
    return 0;
}

/* y (n rows, columns) = bias + w x of n rows of x (any, k) from `start` on; w as of `product`. */
static void NAME(block_product)(NAME(Work) * work, const REAL *x, int64_t start, int64_t n, int64_t k,
                                const REAL *w, int64_t columns, const REAL *bias, REAL *y) {
    memcpy(work->narrow, x + start * k, (size_t)(n * k) * sizeof(REAL));
    NAME(product)(work->narrow, k, padded(n, TILE_ROWS), k, w, columns, bias, y, columns);
}

/* Both branches before their last activation, in hidden[n_layers], of n rows from `start` on. */
static void NAME(branches)(const Call *call, NAME(Work) * work, int64_t start, int64_t n) {
    const int64_t width = 2 * call->widths[0], own = call->own_width;
    const int64_t full = padded(n, TILE_ROWS);
    const REAL *bias = call->bias;
    REAL *first = work->hidden[0];
    if (own) {
        NAME(block_product)(work, call->own, start, n, own, work->own_forward, width, bias, first);
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
    for (int64_t w = 0; w < call->n_weights; w++)
        if (call->weight_matrix[w])
            NAME(block_product)(work, call->weights[w], start, n, call->weight_width[w],
                                work->weight_forward[w], call->widths[call->n_layers], 0,
                                work->weights[w]);
    for (int64_t l = 0; l < call->n_layers; l++) {
        const REAL *hidden = work->hidden[l];
        REAL *next = work->hidden[l + 1], *sigmoids = work->sigmoids[l], *active = work->active;
        const int64_t half = call->widths[l], after = call->widths[l + 1];
        for (int64_t k = 0; k < n * 2 * half; k += LANES) {
            const Vec x = READ(hidden + k), s = NAME(sigmoid)(x);
            AT(sigmoids + k) = s;
            AT(active + k) = x * s;
        }
        NAME(product)(active, 2 * half, full, half, work->core[l], after, call->core_bias[l], next,
                      2 * after);
        NAME(product)(active + half, 2 * half, full, half, work->gate[l], after, call->gate_bias[l],
                      next + after, 2 * after);
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

/* Where the weights of row r of the block from `start` on begin. */
static inline const REAL *NAME(weight)(const Call *call, const NAME(Work) * work, int64_t w,
                                       int64_t start, int64_t r) {
    const int64_t row = start + r;
    if (work->weights[w]) return work->weights[w] + r * call->widths[call->n_layers];
    const int64_t at = call->weight_rows[w] ? call->weight_rows[w][row] : row;
    return (const REAL *)call->weights[w] + at * call->widths[call->n_layers];
}

static inline Vec NAME(normed)(const REAL *x, REAL mean, REAL inverse, const void *const *norm,
                               int64_t c) {
    if (!norm[0]) return READ(x + c);
    return (READ(x + c) - mean) * inverse * READ((const REAL *)norm[0] + c) +
           READ((const REAL *)norm[1] + c);
}

int NAME(gated_forward)(const Call *call) {
    const int64_t half = call->widths[call->n_layers], width = 2 * half;
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
                    m *= READ(NAME(weight)(call, &work, w, start, r) + c);
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
static inline void NAME(row_backward)(const Call *call, NAME(Work) * work, int64_t start, int64_t r) {
    const int64_t half = call->widths[call->n_layers], row = start + r;
    const REAL *core = work->hidden[call->n_layers] + 2 * r * half, *gate = core + half;
    REAL *grad = work->grad + 2 * r * half;
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
                    if (v != w) part *= READ(NAME(weight)(call, work, v, start, r) + c);
                REAL *to = (REAL *)call->grad_weights[w] + row * half + c;
                if (work->weights[w]) to = work->weight_grads[w] + r * half + c;
                if (call->weight_rows[w]) {
                    to = (REAL *)call->grad_weights[w] + call->weight_rows[w][row] * half + c;
                    part += READ(to);
                }
                AT(to) = part;
            }
        }
        for (int64_t w = 0; w < call->n_weights; w++) d *= READ(NAME(weight)(call, work, w, start, r) + c);
        AT(grad + c) = d * g * (s * (1 + x * (1 - s)));
        AT(grad + half + c) = d * f * (g * (1 - g));
    }
    if (call->core_norm[0]) {
        NAME(norm_backward)(core, half, mean[0], inverse[0], call->core_norm[0], grad);
        NAME(norm_backward)(gate, half, mean[1], inverse[1], call->gate_norm[0], grad + half);
    }
}

/* y (n, k) = x (n, inner) w (inner, k padded), with `more` (n, k) added where there is some. */
static void NAME(wide_product)(NAME(Work) * work, const REAL *x, int64_t inner, int64_t n, const REAL *w,
                               int64_t k, const REAL *more, REAL *y) {
    const int64_t wide = padded(k, LANES);
    NAME(product)(x, inner, padded(n, TILE_ROWS), inner, w, wide, 0, work->other, wide);
    for (int64_t r = 0; r < n; r++)
        for (int64_t c = 0; c < k; c++)
            y[r * k + c] = work->other[r * wide + c] + (more ? more[r * k + c] : 0);
}

int NAME(gated_backward)(const Call *call) {
    const int64_t width = 2 * call->widths[0], last = call->widths[call->n_layers];
    const int64_t own = call->own_width;
    NAME(Work) work;
    if (NAME(prepare)(call, &work)) return 1;
    for (int64_t start = 0; start < call->rows; start += BLOCK) {
        const int64_t n = call->rows - start < BLOCK ? call->rows - start : BLOCK;
        const int64_t full = padded(n, TILE_ROWS);
        NAME(branches)(call, &work, start, n);
        for (int64_t r = 0; r < n; r++) NAME(row_backward)(call, &work, start, r);
        for (int64_t w = 0; w < call->n_weights; w++)
            if (work.weights[w] && call->grad_weights[w])
                NAME(wide_product)(&work, work.weight_grads[w], last, n, work.weight_backward[w],
                                   call->weight_width[w], 0,
                                   (REAL *)call->grad_weights[w] + start * call->weight_width[w]);
        for (int64_t l = call->n_layers - 1; l >= 0; l--) {
            const int64_t half = call->widths[l], after = call->widths[l + 1];
            NAME(product)(work.grad, 2 * after, full, after, call->core[l], half, 0, work.other, 2 * half);
            NAME(product)(work.grad + after, 2 * after, full, after, call->gate[l], half, 0,
                          work.other + half, 2 * half);
            for (int64_t k = 0; k < n * 2 * half; k += LANES) {
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
        if (call->grad_own)
            NAME(wide_product)(&work, work.grad, width, n, work.own_backward, own,
                               call->residual ? (const REAL *)call->grad + start * last : 0,
                               (REAL *)call->grad_own + start * own);
    }
    free(work.memory);
    return 0;
}
