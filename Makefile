# make run     take samples of this host into ./.state, run every check, write an HTML report
# make test    lint, types and all tests
# make install    as root, on a host: a virtual environment in PREFIX=/opt/tcptide, and links (contrib/install.sh names all options)
# make uninstall  takes that away; the state and the configuration stay
# make bench   measure the checks against their peers on 100,000 sockets, as root
# make contrib  write what is made of the executables' options: commands, man pages, tables of the pages
# make dist     the wheel and the sdist; make pyz: the checks as one file; make deb: a Debian package; all into dist
# make docs-pictures  draw the pictures of the documentation anew, from a simulated host
# All make .venv first, and mend it when it is not what it should be (.ci/venv); PYTHON=... names an interpreter.

BIN = .venv/bin

run:
	@PYTHON='$(PYTHON)' .ci/venv report
	@.ci/tour

test:
	@PYTHON='$(PYTHON)' .ci/venv test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile

install: # what is set on make's command line is in the environment
	@contrib/install.sh install

uninstall:
	@contrib/install.sh uninstall

bench:
	@PYTHON='$(PYTHON)' .ci/venv test
	@$(BIN)/python -m bench

contrib:
	@PYTHON='$(PYTHON)' .ci/venv test
	@$(BIN)/python contrib/generate.py

docs-pictures:
	@PYTHON='$(PYTHON)' .ci/venv report
	@.ci/pictures

dist:
	@PYTHON='$(PYTHON)' .ci/venv test
	rm -rf build dist *.egg-info
	$(BIN)/python -m build

pyz:
	@PYTHON='$(PYTHON)' .ci/venv test
	$(BIN)/python contrib/pyz/build.py dist/tcptide-checks.pyz

deb: # on Debian 12 or newer; it names what it needs
	@contrib/debian/build.sh

clean:
	rm -rf .venv .state build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache

.PHONY: run test install uninstall bench contrib docs-pictures dist pyz deb clean
