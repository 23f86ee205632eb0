# make            builds build/pgherald
# make run        the main job on this machine: a private PostgreSQL, the daemon, a page to look at
# make check      installs what the tests need and runs them
# make check-all  the same, with every pair of an output plugin and a sanitizer
# make bench      measures, beside ceilings and peers, in one run; make bench LONG=1 takes its time
# make soak       everything at once for MINUTES (30), with restarts; then what was lost or grew
# make limits     very large and very many: memory, lag and rate of each, for an hour or so
# make lint       has analysers read the code; ANALYSER=tidy (or cppcheck, scan) one of them
# make fuzz       fuzzes every parser for MINUTES (20) of processor time
# make SAN=address,undefined check   the same under sanitizers; CC=clang works too

PKGS := libpq jansson libcurl libwebsockets libuv openssl librhonabwy
BUILD ?= build$(if $(SAN),/san)
CC ?= cc
prefix ?= /usr/local
WERROR ?=
SAN ?=
OPT ?= -O2 -g

VERSION := $(shell sed -n 's/^.define PGHERALD_VERSION "\(.*\)"/\1/p' include/base/version.h)

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2
HARDENING := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
ifneq ($(SAN),)
HARDENING := -fPIE -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
LDSAN := -fsanitize=$(SAN)
endif

ifeq ($(filter bootstrap run check check-all fuzz lint clean format help,$(MAKECMDGOALS)),)
MISSING := $(strip $(foreach p,$(PKGS),$(shell pkg-config --exists $(p) 2>/dev/null || echo $(p))))
ifneq ($(MISSING),)
$(error missing development packages: $(MISSING). On Debian: scripts/bootstrap.sh build installs them)
endif
endif

PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null | sed 's/-I/-isystem /g')
CPPFLAGS += -Iinclude -Isrc -I$(BUILD)/gen -D_DEFAULT_SOURCE -D_POSIX_C_SOURCE=200809L $(PKG_CFLAGS)
CFLAGS += -std=c11 $(OPT) $(WARNINGS) $(if $(WERROR),-Werror) $(HARDENING) -pthread -MMD -MP
LDFLAGS += -pie -Wl,-z,relro,-z,now -pthread $(LDSAN)
LDLIBS += $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm

SRC := $(wildcard src/*/*.c)
OBJ := $(SRC:src/%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/gen/embedded.o
LIB_OBJ := $(filter-out $(BUILD)/obj/cli/main.o,$(OBJ))
LIB := $(BUILD)/libpgherald.a
EMBED := $(sort $(wildcard sql/migrations/*.sql sql/queries/*.sql web/*))

.PHONY: all run check check-all fuzz bench soak limits clean format install help bootstrap unit lint lint-flags
all: $(BUILD)/pgherald

$(BUILD)/pgherald: $(OBJ)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/obj/%.o: src/%.c | $(BUILD)/gen/embedded.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# Queries, migrations and the page are files that psql and a browser can open; the build turns them
# into bytes of the program.
$(BUILD)/gen/embedded.c $(BUILD)/gen/embedded.h &: scripts/embed.awk $(EMBED)
	@mkdir -p $(BUILD)/gen
	LC_ALL=C awk -f scripts/embed.awk -v out=$(BUILD)/gen $(EMBED)

$(BUILD)/obj/gen/embedded.o: $(BUILD)/gen/embedded.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# Unit tests mirror src/: tests/unit/row/value_test.c tests src/row/value.c. Each is a program.
UNIT_SRC := $(wildcard tests/unit/*/*_test.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/tests/%)

# An archive, so that a test links what it needs and no more.
$(LIB): $(LIB_OBJ)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/tests/%: tests/unit/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests/unit $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIB) $(LDLIBS) -lcmocka

unit: $(UNIT_BIN)
	@failed=0; for t in $(UNIT_BIN); do $$t || failed=1; done; exit $$failed

# Random policies against a real PostgreSQL; tests/property/run.sh runs it.
PROPERTY_SRC := $(wildcard tests/property/*.c)

$(BUILD)/tests/rls_property: $(PROPERTY_SRC) $(wildcard tests/property/*.h) $(LIB_OBJ)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests/property $(CFLAGS) $(LDFLAGS) -o $@ $(PROPERTY_SRC) $(LIB_OBJ) $(LDLIBS)

run:
	@scripts/run.sh

check:
	@scripts/check.sh

check-all:
	@FULL=1 scripts/check.sh

# TARGETS names some of them; docs/testing.md has what each is.
fuzz:
	@FUZZ_MINUTES=$(or $(MINUTES),20) tests/fuzz/run.sh $(TARGETS)

bench:
	@LONG=$(LONG) scripts/bench.sh

soak:
	@MINUTES=$(or $(MINUTES),30) scripts/soak.sh

limits:
	@scripts/limits.sh

bootstrap:
	@scripts/bootstrap.sh all

lint:
	@BUILD=$(BUILD) scripts/lint.sh $(ANALYSER)

# What they have to know of a compilation.
lint-flags: $(BUILD)/gen/embedded.h
	@echo $(CPPFLAGS) -Itests/unit -Itests/fuzz -Itests/property -std=c11 $(WARNINGS)

format:
	clang-format -i $(wildcard src/*/*.c include/*/*.h tests/unit/*/*.[ch] tests/unit/*.h tests/fuzz/*.[ch])

install: $(BUILD)/pgherald
	install -D -m 755 $(BUILD)/pgherald $(DESTDIR)$(prefix)/bin/pgherald
	install -D -m 640 conf/pgherald.conf $(DESTDIR)$(prefix)/etc/pgherald.conf
	install -d $(DESTDIR)$(prefix)/lib/systemd/system
	sed 's|@prefix@|$(prefix)|' conf/pgherald.service >$(DESTDIR)$(prefix)/lib/systemd/system/pgherald.service

clean:
	rm -rf $(BUILD)

help:
	@sed -n 's/^# //p;/^$$/q' Makefile

-include $(OBJ:.o=.d) $(UNIT_BIN:=.d)
