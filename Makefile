# inflight: installs what is missing, then calls the CMake presets.
#   make        builds build/release/inflight
#   make demo   builds it and traces real requests
#   make test   builds everything and passes every test
#   make fuzz   looks for inputs that break the readers and the model, an hour each target (FUZZ_SECONDS=86400: a day)
#   make bench  measures what tracing costs on this machine (QUICK=1: in short; RUNS=5, ROWS='nop*': see bench/run --help)
.PHONY: all demo test fuzz bench sanitize install clean

all:
	@scripts/install-packages build
	@cmake --preset release
	@cmake --build --preset release

demo: all
	@scripts/demo

test:
	@scripts/install-packages test
	@cmake --preset test
	@cmake --build --preset test
	@cmake --preset fuzz
	@cmake --build --preset fuzz
	@scripts/run-tests

fuzz:
	@scripts/install-packages test
	@cmake --preset fuzz
	@cmake --build --preset fuzz
	@tests/fuzz/run-all $(or $(FUZZ_SECONDS),3600)

bench:
	@scripts/install-packages bench
	@cmake --preset bench
	@cmake --build --preset bench
	@bench/run $(if $(QUICK),--quick) $(if $(RUNS),--runs $(RUNS)) $(if $(ROWS),--rows '$(ROWS)')

sanitize:
	@scripts/install-packages test
	@cmake --preset sanitize
	@cmake --build --preset sanitize
	@ctest --preset sanitize -L 'unit|golden'

install: all
	@cmake --install build/release

clean:
	@rm -rf build
