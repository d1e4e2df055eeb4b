/* Vectors of numbers and products of matrices with them. Included once for each number format. */

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

static void NAME(transpose)(const REAL *a, int64_t rows, int64_t columns, REAL *b) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) b[j * rows + i] = a[i * columns + j];
}

/* Matrix (n, k) with columns of zeros up to a multiple of LANES. */
static void NAME(pad)(const REAL *a, int64_t n, int64_t k, REAL *b) {
    const int64_t wide = padded(k, LANES);
    memset(b, 0, (size_t)(n * wide) * sizeof(REAL));
    for (int64_t i = 0; i < n; i++) memcpy(b + i * wide, a + i * k, (size_t)k * sizeof(REAL));
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
