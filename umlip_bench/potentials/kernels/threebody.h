/* The sum of M3GNet over the other bonds of an atom, forward and backward.

Bond e goes from atom first[e] to second[e]; l runs over orders, n over radial functions, c over the
components of an order, of which angular holds one value each:

    sent[e, l, n] = radial[e, l n] gate[second[e], l n]
    moments[a, c, n] = sum over bonds e of a: sent[e, l(c), n] angular[e, c]
    out[e, l n] = cutoff[e] (sum over c of l: moments[first[e], c, n] angular[e, c] - own[l] sent[e, l, n])

Included once for each number format. */

static REAL *NAME(moments_of)(const Threebody *t, REAL *moments) {
    const int64_t n = t->n_radial, width = t->orders * n, components = t->orders * t->orders;
    for (int64_t e = 0; e < t->bonds; e++) {
        const REAL *radial = (const REAL *)t->radial + e * width;
        const REAL *gate = (const REAL *)t->gate + t->second[e] * width;
        const REAL *angular = (const REAL *)t->angular + e * components;
        REAL *to = moments + t->first[e] * components * n;
        for (int64_t l = 0, c = 0; l < t->orders; l++)
            for (int64_t m = 0; m < 2 * l + 1; m++, c++)
                for (int64_t k = 0; k < n; k++)
                    to[c * n + k] += radial[l * n + k] * gate[l * n + k] * angular[c];
    }
    return moments;
}

int NAME(threebody_forward)(const Threebody *t) {
    const int64_t n = t->n_radial, width = t->orders * n, components = t->orders * t->orders;
    REAL *moments = calloc((size_t)(t->atoms * components * n) + 1, sizeof(REAL));
    if (!moments) return 1;
    NAME(moments_of)(t, moments);
    for (int64_t e = 0; e < t->bonds; e++) {
        const REAL *radial = (const REAL *)t->radial + e * width;
        const REAL *gate = (const REAL *)t->gate + t->second[e] * width;
        const REAL *angular = (const REAL *)t->angular + e * components;
        const REAL *from = moments + t->first[e] * components * n;
        const REAL cutoff = ((const REAL *)t->cutoff)[e];
        REAL *out = (REAL *)t->out + e * width;
        for (int64_t l = 0, c = 0; l < t->orders; l++, c += 2 * l - 1)
            for (int64_t k = 0; k < n; k++) {
                REAL total = -(REAL)t->own[l] * radial[l * n + k] * gate[l * n + k];
                for (int64_t m = 0; m < 2 * l + 1; m++) total += from[(c + m) * n + k] * angular[c + m];
                out[l * n + k] = total * cutoff;
            }
    }
    free(moments);
    return 0;
}

int NAME(threebody_backward)(const Threebody *t) {
    const int64_t n = t->n_radial, width = t->orders * n, components = t->orders * t->orders;
    const size_t size = (size_t)(t->atoms * components * n) + 1;
    REAL *moments = calloc(2 * size, sizeof(REAL)), *grad_moments = moments + size;
    if (!moments) return 1;
    NAME(moments_of)(t, moments);
    for (int64_t e = 0; e < t->bonds; e++) {
        const REAL *radial = (const REAL *)t->radial + e * width;
        const REAL *gate = (const REAL *)t->gate + t->second[e] * width;
        const REAL *angular = (const REAL *)t->angular + e * components;
        const REAL *grad = (const REAL *)t->grad + e * width;
        const REAL *from = moments + t->first[e] * components * n;
        const REAL cutoff = ((const REAL *)t->cutoff)[e];
        REAL *to = grad_moments + t->first[e] * components * n;
        REAL *grad_angular = (REAL *)t->grad_angular + e * components, of_cutoff = 0;
        for (int64_t l = 0, c = 0; l < t->orders; l++) {
            for (int64_t k = 0; k < n; k++)
                of_cutoff -= grad[l * n + k] * (REAL)t->own[l] * radial[l * n + k] * gate[l * n + k];
            for (int64_t m = 0; m < 2 * l + 1; m++, c++) {
                REAL along = 0;
                for (int64_t k = 0; k < n; k++) {
                    along += grad[l * n + k] * from[c * n + k];
                    to[c * n + k] += grad[l * n + k] * cutoff * angular[c];
                }
                grad_angular[c] = along * cutoff;
                of_cutoff += along * angular[c];
            }
        }
        ((REAL *)t->grad_cutoff)[e] = of_cutoff;
    }
    for (int64_t e = 0; e < t->bonds; e++) {
        const REAL *radial = (const REAL *)t->radial + e * width;
        const REAL *gate = (const REAL *)t->gate + t->second[e] * width;
        const REAL *angular = (const REAL *)t->angular + e * components;
        const REAL *grad = (const REAL *)t->grad + e * width;
        const REAL *from = grad_moments + t->first[e] * components * n;
        const REAL cutoff = ((const REAL *)t->cutoff)[e];
        REAL *grad_radial = (REAL *)t->grad_radial + e * width;
        REAL *grad_gate = (REAL *)t->grad_gate + t->second[e] * width;
        REAL *grad_angular = (REAL *)t->grad_angular + e * components;
        for (int64_t l = 0, c = 0; l < t->orders; l++, c += 2 * l - 1)
            for (int64_t k = 0; k < n; k++) {
                const REAL sent = radial[l * n + k] * gate[l * n + k];
                REAL total = -(REAL)t->own[l] * grad[l * n + k] * cutoff;
                for (int64_t m = 0; m < 2 * l + 1; m++) {
                    total += from[(c + m) * n + k] * angular[c + m];
                    grad_angular[c + m] += from[(c + m) * n + k] * sent;
                }
                grad_radial[l * n + k] = total * gate[l * n + k];
                grad_gate[l * n + k] += total * radial[l * n + k];
            }
    }
    free(moments);
    return 0;
}
