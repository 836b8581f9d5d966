export CGO_ENABLED = 0

FUZZTIME = 30s

.PHONY: build test check fuzz generate ptx

build:
	go build ./cmd/orthrus

test:
	go test -timeout 20m ./...

# Everything that has to pass before a merge, the tests included.
check:
	.ci/run

# Fuzzes each target of each package for FUZZTIME. Making an interesting input shorter may not take a minute of that.
fuzz:
	@set -e; for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$package; \
		done; \
	done

# Writes the assembly of quant's kernels.
generate:
	go generate ./...

# Compiles the CUDA kernels by NVIDIA's run-time compiler, a library that pip gets from PyPI (x86-64 Linux only).
# NVRTC=FOLDER uses the one there.
ptx:
	@set -e; folder=$(NVRTC); \
	if [ -z "$$folder" ]; then \
		tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; \
		python3 -m pip install -q --no-deps --only-binary :all: --target "$$tmp" nvidia-cuda-nvrtc-cu11==11.8.89; \
		folder=$$tmp/nvidia/cuda_nvrtc/lib; \
	fi; \
	go run ./cuda/internal/ptx "$$folder" cuda/kernels cuda
