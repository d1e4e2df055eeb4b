/* Kernels for one CPU thread, in both number formats. See vectors.h, gated.h and threebody.h. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Vectors as wide as the processor's, and a tile of a matrix product that fits its registers. */
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define TILE_ROWS 6
#define TILE_VECTORS 4
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#define TILE_ROWS 6
#define TILE_VECTORS 2
#else
#define VECTOR_BYTES 16
#define TILE_ROWS 4
#define TILE_VECTORS 2
#endif

/* Rows that go through all layers together: their intermediates stay in the cache. */
#define BLOCK 48

#define MAX_PARTS 4
#define MAX_LAYERS 2
#define MAX_WEIGHTS 2

/* What gated.py fills in; arrays are contiguous, of the kernel's number format. */
typedef struct {
    int64_t rows, own_width, n_parts, n_layers, n_weights, residual;
    int64_t widths[MAX_LAYERS + 1]; /* of a branch after each linear map; the first is `half`, the last `last` */
    double core_eps, gate_eps;
    const void *bias;                        /* (2 half) */
    const void *parts[MAX_PARTS];            /* (any, part_pitch), of which 2 half columns are taken */
    int64_t part_pitch[MAX_PARTS];
    const int32_t *part_rows[MAX_PARTS];     /* (rows) */
    const void *own, *own_matrix;            /* (rows, own_width), (2 half, own_width) */
    const void *core[MAX_LAYERS], *core_bias[MAX_LAYERS];   /* (next width, width), (next) */
    const void *gate[MAX_LAYERS], *gate_bias[MAX_LAYERS];
    const void *core_norm[2], *gate_norm[2]; /* factor and shift (last), or null */
    const void *weights[MAX_WEIGHTS];        /* (any, last), or (rows, weight_width) with a matrix */
    const int32_t *weight_rows[MAX_WEIGHTS]; /* (rows), or null for the row itself */
    const void *weight_matrix[MAX_WEIGHTS];  /* (last, weight_width), or null */
    int64_t weight_width[MAX_WEIGHTS];
    const int32_t *segments;                 /* (rows), or null for a result for each row */
    void *out;                               /* (any, last) */
    const void *grad;                        /* of out */
    void *grad_parts[MAX_PARTS], *grad_own, *grad_weights[MAX_WEIGHTS]; /* null if not wanted */
} Call;

/* What threebody.py fills in. */
typedef struct {
    int64_t atoms, bonds, orders, n_radial;
    const int32_t *first, *second;                 /* (bonds) */
    const double *own;                             /* (orders) */
    const void *radial, *gate, *angular, *cutoff;  /* (bonds, orders n), (atoms, same), (bonds, c), (bonds) */
    void *out;                                     /* (bonds, orders n) */
    const void *grad;                              /* of out */
    void *grad_radial, *grad_gate, *grad_angular, *grad_cutoff;
} Threebody;

/* Widths are multiples of this. */
int64_t lanes(int64_t bytes_of_number) { return VECTOR_BYTES / bytes_of_number; }

static int64_t padded(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

#define REAL float
#define INTEGER int32_t
#define NAME(name) name##_f32
#define EXP_LOW -87.0f
#define EXP_HIGH 88.0f
#define ROUNDING 12582912.0f /* 1.5 * 2^23 */
#define LN2_HIGH 0.693145751953125f
#define LN2_LOW 1.428606765330187e-06f
#define EXPONENT_BIAS 127
#define MANTISSA_BITS 23
#define TAYLOR_TERMS 7
#include "vectors.h"
#include "gated.h"
#include "threebody.h"
#undef Vec
#undef LANES
#undef AT
#undef READ
#undef REAL
#undef INTEGER
#undef NAME
#undef EXP_LOW
#undef EXP_HIGH
#undef ROUNDING
#undef LN2_HIGH
#undef LN2_LOW
#undef EXPONENT_BIAS
#undef MANTISSA_BITS
#undef TAYLOR_TERMS

#define REAL double
#define INTEGER int64_t
#define NAME(name) name##_f64
#define EXP_LOW -708.0
#define EXP_HIGH 709.0
#define ROUNDING 6755399441055744.0 /* 1.5 * 2^52 */
#define LN2_HIGH 0.693147180369123816490
#define LN2_LOW 1.90821492927058770002e-10
#define EXPONENT_BIAS 1023
#define MANTISSA_BITS 52
#define TAYLOR_TERMS 14
#include "vectors.h"
#include "gated.h"
#include "threebody.h"
