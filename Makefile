export CGO_ENABLED = 0

FUZZTIME = 30s

.PHONY: build test check fuzz generate

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
