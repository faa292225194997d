// A matrix product of oneDNN 2.x, with its weights in the layout it likes best.
#include "peer.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>

struct product {
	dnnl_engine_t engine;
	dnnl_stream_t stream;
	dnnl_primitive_t matmul, quantise; // quantise is NULL without plain
	dnnl_memory_t src, weights, dst, plain;
};

static int failed(dnnl_status_t s, const char *what) {
	if (s == dnnl_success) return 0;
	fprintf(stderr, "oneDNN: %s: status %d\n", what, (int)s);
	return 1;
}

#define TRY(call) \
	if (failed(call, #call)) return NULL

// prefer turns weights [k,n] as they lie into the layout of want.
static struct product *prefer(struct product *p, dnnl_memory_desc_t plain, const dnnl_memory_desc_t *want, void *b) {
	dnnl_memory_t from;
	dnnl_primitive_desc_t rd;
	dnnl_primitive_t reorder;
	TRY(dnnl_memory_create(&from, &plain, p->engine, b));
	TRY(dnnl_memory_create(&p->weights, want, p->engine, DNNL_MEMORY_ALLOCATE));
	TRY(dnnl_reorder_primitive_desc_create(&rd, &plain, p->engine, want, p->engine, NULL));
	TRY(dnnl_primitive_create(&reorder, rd));
	dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, p->weights}};
	TRY(dnnl_primitive_execute(reorder, p->stream, 2, args));
	TRY(dnnl_stream_wait(p->stream));
	dnnl_primitive_destroy(reorder);
	dnnl_primitive_desc_destroy(rd);
	dnnl_memory_destroy(from);
	return p;
}

// quantise prepares src = plain, both [m,k].
static struct product *quantise(struct product *p, dnnl_dims_t dims, const dnnl_memory_desc_t *src, float *plain) {
	dnnl_memory_desc_t d;
	dnnl_primitive_desc_t rd;
	TRY(dnnl_memory_desc_init_by_tag(&d, 2, dims, dnnl_f32, dnnl_ab));
	TRY(dnnl_memory_create(&p->plain, &d, p->engine, plain));
	TRY(dnnl_reorder_primitive_desc_create(&rd, &d, p->engine, src, p->engine, NULL));
	TRY(dnnl_primitive_create(&p->quantise, rd));
	dnnl_primitive_desc_destroy(rd);
	return p;
}

struct product *peer_new(int int8, int m, int n, int k, void *a, void *b, float *c, float *scales, float *plain) {
	struct product *p = calloc(1, sizeof *p);
	dnnl_dims_t sd = {m, k}, wd = {k, n}, dd = {m, n};
	dnnl_data_type_t st = int8 ? dnnl_u8 : dnnl_bf16, wt = int8 ? dnnl_s8 : dnnl_bf16;
	dnnl_memory_desc_t s, w, plainw, d;
	dnnl_matmul_desc_t desc;
	dnnl_primitive_attr_t attr;
	dnnl_primitive_desc_t pd;
	TRY(dnnl_engine_create(&p->engine, dnnl_cpu, 0));
	TRY(dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags));
	TRY(dnnl_memory_desc_init_by_tag(&s, 2, sd, st, dnnl_ab));
	TRY(dnnl_memory_desc_init_by_tag(&w, 2, wd, wt, dnnl_format_tag_any));
	TRY(dnnl_memory_desc_init_by_tag(&plainw, 2, wd, wt, dnnl_ab));
	TRY(dnnl_memory_desc_init_by_tag(&d, 2, dd, dnnl_f32, dnnl_ab));
	TRY(dnnl_matmul_desc_init(&desc, &s, &w, NULL, &d));
	TRY(dnnl_primitive_attr_create(&attr));
	if (int8) TRY(dnnl_primitive_attr_set_output_scales(attr, n, 1 << 1, scales));
	TRY(dnnl_primitive_desc_create(&pd, &desc, attr, p->engine, NULL));
	TRY(dnnl_primitive_create(&p->matmul, pd));
	TRY(dnnl_memory_create(&p->src, &s, p->engine, a));
	TRY(dnnl_memory_create(&p->dst, &d, p->engine, c));
	const dnnl_memory_desc_t *want = dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
	if (!prefer(p, plainw, want, b)) return NULL;
	if (plain && !quantise(p, sd, &s, plain)) return NULL;
	const char *info = NULL;
	dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &info);
	if (getenv("PEERS_VERBOSE")) fprintf(stderr, "oneDNN uses %s\n", info);
	dnnl_primitive_desc_destroy(pd);
	dnnl_primitive_attr_destroy(attr);
	return p;
}

int peer_run(struct product *p) {
	if (p->quantise) {
		dnnl_exec_arg_t pair[] = {{DNNL_ARG_FROM, p->plain}, {DNNL_ARG_TO, p->src}};
		if (failed(dnnl_primitive_execute(p->quantise, p->stream, 2, pair), "execute")) return 1;
	}
	dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, p->src}, {DNNL_ARG_WEIGHTS, p->weights}, {DNNL_ARG_DST, p->dst}};
	if (failed(dnnl_primitive_execute(p->matmul, p->stream, 3, args), "execute")) return 1;
	return failed(dnnl_stream_wait(p->stream), "wait");
}

void peer_free(struct product *p) {
	dnnl_primitive_destroy(p->matmul);
	if (p->quantise) {
		dnnl_primitive_destroy(p->quantise);
		dnnl_memory_destroy(p->plain);
	}
	dnnl_memory_destroy(p->src);
	dnnl_memory_destroy(p->weights);
	dnnl_memory_destroy(p->dst);
	dnnl_stream_destroy(p->stream);
	dnnl_engine_destroy(p->engine);
	free(p);
}

void peer_threads(int n) { omp_set_num_threads(n); }
