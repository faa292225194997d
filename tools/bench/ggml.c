// Times ggml's product of f32 activations [m,k] by quantised weights [n,k], as
// ggml does it on a CPU: with the weights in their plain blocks, and, where ggml
// has that for the type, rearranged for the CPU beforehand. Activations are
// quantised within the product, as Kinora's are. How to build it: README.md.
//
// Usage: ggml TYPE M N K THREADS ROUNDS [busy]   (TYPE as in q4_0, q8_0, q6_K …)
// Prints a line per layout: type, layout, size, GFLOP/s of the best round. With
// busy, time is the processors' time divided by the threads.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml.h"

static int busy_threads; // 0 for the clock on the wall

static double now(void) {
	struct timespec t;
	clock_gettime(busy_threads ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
	return (t.tv_sec + 1e-9 * t.tv_nsec) / (busy_threads ? busy_threads : 1);
}

static enum ggml_type type_of(const char *name) {
	for (int t = 0; t < GGML_TYPE_COUNT; t++) {
		const char *have = ggml_type_name((enum ggml_type)t);
		if (have && strcmp(have, name) == 0) return (enum ggml_type)t;
	}
	fprintf(stderr, "ggml: no type is named %s\n", name);
	exit(2);
}

static float *normals(long n, unsigned seed) {
	float *x = malloc(sizeof(float) * n);
	for (long i = 0; i < n; i++) {
		float s = 0;
		for (int j = 0; j < 12; j++) {
			seed = seed * 1664525u + 1013904223u;
			s += (seed >> 8) / 16777216.0f;
		}
		x[i] = s - 6;
	}
	return x;
}

static void measure(const char *layout, ggml_backend_buffer_type_t held, ggml_backend_t cpu, enum ggml_type type, long m, long n, long k,
                    const void *weights, const float *x, int rounds) {
	struct ggml_init_params small = {.mem_size = 1 << 20, .mem_buffer = NULL, .no_alloc = true};
	struct ggml_context *wc = ggml_init(small), *c = ggml_init(small);
	struct ggml_tensor *w = ggml_new_tensor_2d(wc, type, k, n);
	ggml_backend_buffer_t wb = ggml_backend_alloc_ctx_tensors_from_buft(wc, held);
	if (!wb) {
		fprintf(stderr, "ggml: no memory for the weights as %s\n", layout);
		exit(2);
	}
	struct ggml_tensor *a = ggml_new_tensor_2d(c, GGML_TYPE_F32, k, m);
	struct ggml_tensor *y = ggml_mul_mat(c, w, a);
	if (!ggml_backend_supports_op(cpu, y)) return; // this layout is not for this type
	struct ggml_cgraph *g = ggml_new_graph(c);
	ggml_build_forward_expand(g, y);
	ggml_backend_buffer_t b = ggml_backend_alloc_ctx_tensors(c, cpu);
	ggml_backend_tensor_set(w, weights, 0, ggml_row_size(type, k) * n);
	ggml_backend_tensor_set(a, x, 0, sizeof(float) * m * k);
	double best = 1e30;
	for (int r = 0; r < rounds; r++) {
		double t = now();
		ggml_backend_graph_compute(cpu, g);
		t = now() - t;
		if (t < best) best = t;
	}
	printf("%s %s %ldx%ldx%ld %.1f\n", ggml_type_name(type), layout, m, n, k, 2.0 * m * n * k / best / 1e9);
	fflush(stdout);
	ggml_backend_buffer_free(b);
	ggml_backend_buffer_free(wb);
	ggml_free(c);
	ggml_free(wc);
}

int main(int argc, char **argv) {
	if (argc != 7 && argc != 8) {
		fprintf(stderr, "usage: ggml TYPE M N K THREADS ROUNDS [busy]\n");
		return 2;
	}
	if (argc == 8) busy_threads = atoi(argv[5]);
	enum ggml_type type = type_of(argv[1]);
	long m = atol(argv[2]), n = atol(argv[3]), k = atol(argv[4]);
	int rounds = atoi(argv[6]);
	ggml_backend_t cpu = ggml_backend_cpu_init();
	ggml_backend_cpu_set_n_threads(cpu, atoi(argv[5]));

	float *wide = normals(n * k, 1), *x = normals(m * k, 2);
	void *weights = malloc(ggml_row_size(type, k) * n);
	ggml_quantize_chunk(type, wide, weights, 0, n, k, NULL);
	free(wide);

	measure("blocks", ggml_backend_cpu_buffer_type(), cpu, type, m, n, k, weights, x, rounds);
	ggml_backend_dev_t dev = ggml_backend_reg_dev_get(ggml_backend_cpu_reg(), 0);
	ggml_backend_dev_get_extra_bufts_t extra =
		(ggml_backend_dev_get_extra_bufts_t)ggml_backend_reg_get_proc_address(ggml_backend_cpu_reg(), "ggml_backend_dev_get_extra_bufts");
	for (ggml_backend_buffer_type_t *t = extra ? extra(dev) : NULL; t && *t; t++) {
		measure(ggml_backend_buft_name(*t), *t, cpu, type, m, n, k, weights, x, rounds);
	}
	return 0;
}
