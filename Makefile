# researcharr: building, installing and testing the extension
#
#   make                      build            make install DESTDIR=...
#   make deps                 install what building and testing need (Debian)
#   make test                 every test suite, on throw-away clusters
#   make test-full            that, models, clients, other versions and builds,
#                             and two minutes each of four attacks
#   make demo                 see it work, on a throw-away cluster
#   make bench                the job queue against the machine's floor, on a
#                             throw-away cluster
#   make bench-library        synchronization of a library, on a throw-away server
#   make bench-large          every call on a database of 10 GB, on a throw-away
#                             cluster
#   make installcheck         the suites against an installed extension
#   make coverage             line coverage of the C code by the suites
#   make test-ubsan           the suites on a build that traps undefined
#                             behaviour
#   make test-address         the suites and the stress program on a server
#   make test-valgrind        with AddressSanitizer, or under valgrind; builds
#                             the server first
#   make freeze               keep the current version's script from now on
#   make dist                 a release archive of HEAD
#
# PG_CONFIG names the installation to build for.  deps, test, test-full, demo,
# bench and bench-large work where there is none yet.

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
top := $(patsubst %/,%,$(dir $(firstword $(MAKEFILE_LIST))))
ifeq ($(realpath $(top)),$(realpath .))
top := .
else
# A server that was built in its source tree does not set this for extensions.
VPATH := $(top)
endif

EXTENSION = researcharr
MODULE_big = researcharr
# The control file is the only place that says which version this is.
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" \
	$(top)/$(EXTENSION).control)

sources := $(patsubst $(top)/%,%,$(sort $(shell find $(top)/src -name '*.c')))
headers := $(sort $(shell find $(top)/src -name '*.h'))
OBJS = $(sources:.c=.o)

# The current version's script is made from the modules, unless it has been
# frozen: a script without the marker in it is kept by hand, like the upgrade
# scripts, and only checked.
modules := $(sort $(wildcard $(top)/sql/modules/*.sql))
body = awk 'FNR == 1 { print "" } { print }' $(modules)
script := sql/$(EXTENSION)--$(EXTVERSION).sql
guard := \echo Use "CREATE EXTENSION $(EXTENSION)" to load this file. \quit
marker := -- Made from sql/modules by make: changes belong there.
frozen := $(shell test -f $(top)/$(script) && \
	! grep -qxF -e '$(marker)' $(top)/$(script) && echo yes)
scripts := $(patsubst $(top)/%,%,$(sort $(wildcard \
	$(top)/sql/$(EXTENSION)--*.sql)))
ifeq ($(frozen),yes)
DATA = $(scripts)
else
DATA = $(filter-out $(script),$(scripts))
DATA_built = $(script)
endif

# The lists of tests: "install" comes first and "uninstall" last.
regress_all := $(basename $(notdir $(sort $(wildcard $(top)/test/sql/*.sql))))
REGRESS = $(filter install,$(regress_all)) \
	$(filter-out install uninstall,$(regress_all)) \
	$(filter uninstall,$(regress_all))
REGRESS_OPTS = --inputdir=$(top)/test --outputdir=.
ISOLATION = $(basename $(notdir $(sort $(wildcard $(top)/test/specs/*.spec))))
ISOLATION_OPTS = --inputdir=$(top)/test --outputdir=. \
	--load-extension=pg_trgm --load-extension=$(EXTENSION)
TAP_TESTS = 1
PROVE_TESTS = $(patsubst $(top)/%,%,$(sort $(wildcard $(top)/test/t/*.pl)))

# -Wextra, but for what the server's own headers and the shape of SQL-callable
# functions make unavoidable.  The server's flags and attributes are gcc's:
# clang is told to pass over those that it does not know.
PG_CPPFLAGS = -I$(top)/src
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers \
	$(if $(findstring clang,$(shell $(CC) --version)),\
	-Wno-unknown-warning-option -Wno-ignored-optimization-argument \
	-Wno-ignored-attributes)

EXTRA_CLEAN = build coverage results output_iso tmp_check log \
	regression.diffs regression.out .build-flags
ifneq ($(top),.)
REGRESS_PREP = $(CURDIR)/expected
endif

ifneq ($(wildcard $(PGXS)),)
include $(PGXS)
# In a build directory of its own, sources alone are looked for elsewhere: not
# what was built in the source tree.
ifneq ($(top),.)
srcdir := $(top)
VPATH :=
vpath %.c $(top)
vpath %.control $(top)
endif
else
all install uninstall installcheck clean:
	@echo "$(PG_CONFIG): no PostgreSQL server headers (PGXS) found;" \
		"run \"make deps\", or name another with PG_CONFIG=" >&2; exit 1
endif

# Objects know no more than "some header changed" (the server may have been
# built without dependency tracking), and are made anew when the compiler, the
# flags or the server differ from the last time.
# PGXS adds the source tree as it was named, which changes nothing.
flags = $(PGXS) $(VERSION) $(with_llvm) $(CC) \
	$(filter-out -I$(srcdir),$(CPPFLAGS)) $(CFLAGS) $(LDFLAGS)
flags_file := $(CURDIR)/.build-flags
$(OBJS) $(OBJS:.o=.bc): $(headers) $(flags_file)
$(flags_file): FORCE
	@printf '%s\n' '$(flags)' | cmp -s - $@ || printf '%s\n' '$(flags)' >$@
FORCE:

ifneq ($(frozen),yes)
$(script): $(modules) $(top)/$(EXTENSION).control $(flags_file)
	@mkdir -p $(@D)
	@{ printf '%s\n' '$(guard)' '$(marker)'; $(body); } >$@.$$$$ && \
		mv $@.$$$$ $@
else
all: frozen-check
.PHONY: frozen-check
frozen-check:
	@{ printf '%s\n' '$(guard)'; $(body); } | \
		cmp -s - $(top)/$(script) || { \
		echo "sql/modules differs from $(script), which is frozen:" \
		"raise default_version and write an upgrade script" >&2; exit 1; }
endif

freeze: all
	@test "$(frozen)" = yes || { sed '2d' $(script) >$(script).new && \
		mv $(script).new $(top)/$(script) && \
		echo "now: git add -f $(script)"; }

# A build directory of its own (make -f ../Makefile) needs these.
$(shell mkdir -p $(sort $(dir $(OBJS))))
ifneq ($(top),.)
$(CURDIR)/expected:
	@ln -sfn $(top)/expected $@
endif

deps:
	@exec env PG_CONFIG='$(PG_CONFIG)' $(top)/test/deps

test: deps
	@exec env PG_CONFIG='$(PG_CONFIG)' BUILDDIR='$(CURDIR)' $(top)/test/run

test-full:
	@exec env PG_CONFIG='$(PG_CONFIG)' BUILDDIR='$(CURDIR)' $(top)/test/full

test-address test-valgrind: deps
	@exec env PG_CONFIG='$(PG_CONFIG)' BUILDDIR='$(CURDIR)/build/$@' \
		$(top)/test/sanitize $(patsubst test-%,%,$@)

demo: deps
	@exec env PG_CONFIG='$(PG_CONFIG)' BUILDDIR='$(CURDIR)' $(top)/test/demo/run

bench: deps
	@exec env PG_CONFIG='$(PG_CONFIG)' BUILDDIR='$(CURDIR)' $(top)/test/bench/jobs.sh

bench-backup: deps
	@exec env PG_CONFIG='$(PG_CONFIG)' BUILDDIR='$(CURDIR)' $(top)/test/bench/backup.sh

bench-library: deps
	@exec env PG_CONFIG='$(PG_CONFIG)' BUILDDIR='$(CURDIR)' $(top)/test/bench/library.sh

bench-large: deps
	@exec env PG_CONFIG='$(PG_CONFIG)' BUILDDIR='$(CURDIR)' $(top)/test/bench/large.sh

coverage: deps
	@exec env PG_CONFIG='$(PG_CONFIG)' $(top)/test/coverage

test-ubsan: deps
	@exec env PG_CONFIG='$(PG_CONFIG)' BUILDDIR='$(CURDIR)/build/ubsan' \
		COPT='$(COPT) -fsanitize=undefined -fno-sanitize-recover=undefined' \
		$(top)/test/run

# META.json gets its version here: PGXN wants three numbers.
dist:
	@cd $(top) && export GIT_INDEX_FILE=$$(mktemp -u) && \
		git read-tree HEAD && \
		meta=$$(git show HEAD:META.json | \
			sed 's/__VERSION__/$(EXTVERSION).0/' | \
			git hash-object -w --stdin) && \
		git update-index --cacheinfo 100644,$$meta,META.json && \
		tree=$$(git write-tree) && rm -f "$$GIT_INDEX_FILE" && \
		git archive --format=zip \
			--prefix=$(EXTENSION)-$(EXTVERSION).0/ \
			-o '$(CURDIR)/$(EXTENSION)-$(EXTVERSION).0.zip' $$tree && \
		echo '$(EXTENSION)-$(EXTVERSION).0.zip'

.PHONY: freeze deps test test-full test-address test-valgrind demo bench \
	bench-backup bench-library bench-large coverage test-ubsan dist FORCE
