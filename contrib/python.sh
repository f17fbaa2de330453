# shellcheck shell=sh
# Sourced by scripts that make a virtual environment: which interpreter it is made with.

die() {
    printf '%s\n' "$@" >&2
    exit 1
}

version() { "$1" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }
new_enough() { "$1" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
has_venv() { "$1" -I -c 'import ensurepip, venv' 2>/dev/null; }

choose_python() { # sets python; the system's before PATH's: the monitoring agent's user must be able to run it
    rejected=
    bare=
    for candidate in ${PYTHON:-/usr/bin/python3.13 /usr/bin/python3.12 /usr/bin/python3.11 /usr/bin/python3 \
        python3.13 python3.12 python3.11 python3}; do
        found=$(version "$candidate") || continue
        [ -n "$found" ] || continue
        if ! new_enough "$candidate"; then
            rejected="$rejected $candidate is $found;"
        elif ! has_venv "$candidate"; then
            bare=${bare:-$candidate}
        else
            # shellcheck disable=SC2034  # whoever sources this uses it
            python=$candidate
            return
        fi
    done
    [ -z "$bare" ] || die "$bare has no venv module: apt install python3-venv (or python$(version "$bare")-venv)"
    [ -z "${PYTHON:-}" ] || die "PYTHON=$PYTHON is not Python 3.11 or newer${found:+, but $found}"
    die "Python 3.11 or newer is needed:${rejected:- there is no python3;}" \
        "apt install python3 python3-venv, or name an interpreter: make PYTHON=/path/to/python3.11 ..."
}

pip_failed() { # the log of pip's words: one line says what is wrong
    if grep -Eqi 'connection|max retries|name resolution|timed out' "$1"; then
        die "pip could not fetch the packages: is there a network? (its words are in $1)"
    fi
    for words in 'no matching distribution' '^ *error'; do
        said=$(grep -m 1 -Ei "$words" "$1" | sed 's/^ *//') && [ -n "$said" ] && break
    done
    die "pip failed: ${said:-$(tail -n 1 "$1")} (its words are in $1)"
}
