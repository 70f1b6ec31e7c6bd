# Short verbs over CMake; the build itself is CMakeLists.txt.
.PHONY: help build dev arch format check test golden clean

help:
	@echo "make build    programs, release, in build/release/bin"
	@echo "make dev      programs and unit tests with sanitizers, in build/dev"
	@echo "make check    format, architecture, unit tests under sanitizers"
	@echo "make arch     what docs and code must keep: includes, doors, sizes, banned calls, a test a module"
	@echo "make format   clang-format over the sources"
	@echo "make golden   rewrite the golden files of the tests (review the difference)"
	@echo "make test     everything: tests/run"
build:
	@deploy/build/programs release
dev:
	@deploy/build/programs dev
arch:
	@tests/arch/check
format:
	@git ls-files '*.c' '*.h' '*.cc' | xargs clang-format -i
check: dev
	@git ls-files '*.c' '*.h' '*.cc' | xargs clang-format --dry-run -Werror
	@tests/arch/check
	@ctest --test-dir build/dev -L unit -j2 --output-on-failure
golden: dev
	@RADPOST_GOLDEN=write ctest --test-dir build/dev -L unit -R golden --output-on-failure
test:
	@tests/run
clean:
	@rm -rf build
