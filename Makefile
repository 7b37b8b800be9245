# inflight: installs what is missing, then calls the CMake presets.
#   make        builds build/release/inflight
#   make demo   builds it and traces real requests
#   make test   builds everything and passes every test
.PHONY: all demo test sanitize install clean

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
	@scripts/run-tests

sanitize:
	@scripts/install-packages test
	@cmake --preset sanitize
	@cmake --build --preset sanitize
	@ctest --preset sanitize -L 'unit|golden'

install: all
	@cmake --install build/release

clean:
	@rm -rf build
