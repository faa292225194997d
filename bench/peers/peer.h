// What main.go needs of oneDNN.
#pragma once

struct product;

// peer_new prepares dst [m,n] f32 = src [m,k] · weights [k,n]: bf16 by bf16, or
// u8 by s8 with a scale per column. With plain, src is written from that f32
// matrix in each run. NULL on failure, which it prints.
struct product *peer_new(int int8, int m, int n, int k, void *a, void *b, float *c, float *scales, float *plain);
int peer_run(struct product *p);
void peer_free(struct product *p);
void peer_threads(int n);
