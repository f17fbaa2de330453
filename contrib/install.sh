#!/bin/sh
# Installs this tree's tcptide on a host, or takes it away again: what `make install` and `make uninstall` run, as root.
#
#   [NAME=VALUE ...] contrib/install.sh install|uninstall
#
#   PREFIX=/opt/tcptide      its own virtual environment
#   PLUGINS=DIR              links of the checks for the monitoring agent (default: the agent's directory, if there is one)
#   BINDIR=/usr/local/bin    links of all commands for people; of their man pages in ../share/man/man1
#   STATE=/var/lib/tcptide   the state directory, made for the agent's user if it is missing
#   AGENT=USER               who runs the checks (default: the first of icinga, nrpe, nagios that there is)
#   EXTRA=report             the reporter too; none: no longer
#   DESTDIR=                 goes before all paths, for packages
#   PYTHON=INTERPRETER       3.11 or newer
#
# What is not given is as it was at the last install. pip's settings (PIP_INDEX_URL, PIP_FIND_LINKS, ...) are heeded.
# A new environment is made beside the old one and takes its place when all is well, so an upgrade that fails changes
# nothing. What install made stands in PREFIX/installed; uninstall takes that away, and keeps state and configuration.
set -eu
umask 022 # the monitoring agent's user is to run what root installs
tree=$(cd "$(dirname "$0")/.." && pwd -P)
# shellcheck source=contrib/python.sh
. "$tree/contrib/python.sh"

plain() { # NAME VALUE: it will stand in scripts' first lines
    case $2 in
    *[!A-Za-z0-9/._+@-]*) die "$1=$2 holds a character that can't stand in a script's first line" ;;
    /*[!/]) ;;
    *) die "$1=$2 is not an absolute path" ;;
    esac
}

was() { sed -n "s/^$1 //p" "$home/installed" 2>/dev/null || true; }

ours() { # a link into PREFIX: made by install, or by hand for it
    case $(readlink "$1") in
    "$PREFIX"/*) return 0 ;;
    esac
    return 1
}

plugin_directory() {
    for found in /usr/lib64/nagios/plugins /usr/lib/nagios/plugins; do
        [ ! -d "$DESTDIR$found" ] || { echo "$found" && return; }
    done
}

agent() {
    for found in icinga nrpe nagios; do # EPEL's plugins bring a user nagios along, beside the agent's own
        ! getent passwd "$found" >/dev/null || { echo "$found" && return; }
    done
}

DESTDIR=${DESTDIR:-}
PREFIX=${PREFIX:-/opt/tcptide}
[ -z "$DESTDIR" ] || plain DESTDIR "$DESTDIR"
plain PREFIX "$PREFIX"
home=$DESTDIR$PREFIX

settle() { # what was not given
    PLUGINS=${PLUGINS:-$(was plugins)}
    PLUGINS=${PLUGINS:-$(plugin_directory)}
    BINDIR=${BINDIR:-$(was bindir)}
    BINDIR=${BINDIR:-/usr/local/bin}
    STATE=${STATE:-$(was state)}
    STATE=${STATE:-/var/lib/tcptide}
    AGENT=${AGENT:-$(was agent)}
    AGENT=${AGENT:-$(agent)}
    EXTRA=${EXTRA:-$(was extra)}
    [ -z "$PLUGINS" ] || plain PLUGINS "$PLUGINS"
    plain BINDIR "$BINDIR"
    plain STATE "$STATE"
    pages=${BINDIR%/*}/share/man/man1
    [ -z "$AGENT" ] || id "$AGENT" >/dev/null 2>&1 || die "AGENT=$AGENT: there is no such user"
    case $EXTRA in
    none) EXTRA= ;;
    *[!a-z,]*) die "EXTRA=$EXTRA is not a list of extras such as report" ;;
    esac
}

check_places() { # before anything is made
    if [ -e "$home" ] && ! { [ -f "$home/pyvenv.cfg" ] && [ -e "$home/bin/tcptide" ]; }; then
        die "$home is there, and is not an installed tcptide: name another PREFIX"
    fi
    mkdir -p "$(dirname "$home")" "$DESTDIR$BINDIR" "$DESTDIR$pages" ${DESTDIR:+${PLUGINS:+"$DESTDIR$PLUGINS"}} 2>/dev/null || true
    [ -z "$PLUGINS" ] || [ -d "$DESTDIR$PLUGINS" ] || die "PLUGINS=$PLUGINS is not a directory"
    for folder in "$(dirname "$home")" "$DESTDIR$BINDIR" "$DESTDIR$pages" ${PLUGINS:+"$DESTDIR$PLUGINS"}; do
        [ -w "$folder" ] || die "$folder is not writable by $(id -un): install as root, or name another place"
    done
    for path in "$DESTDIR$BINDIR"/* "$DESTDIR$pages"/* ${PLUGINS:+"$DESTDIR$PLUGINS"/*}; do
        name=${path##*/}
        a_command "${name%.1}" || continue
        if [ ! -L "$path" ]; then
            die "$path is there, and is not a link of tcptide's: move it away first"
        elif ! ours "$path"; then
            die "$path leads elsewhere: remove it, or uninstall that tcptide first"
        fi
    done
}

a_command() { # NAME
    case $1 in
    check_tcp* | tcptide*) grep -q "^[[:space:]]*$1 = tcptide\." "$tree/setup.cfg" ;; # an sdist has tabs there
    *) return 1 ;;
    esac
}

make_environment() {
    work=$(mktemp -d) # built from a copy: a build/ left in the tree would ship deleted modules
    new=$(mktemp -d "$home.XXXXXX")
    chmod 755 "$new"
    trap 'rm -rf "$work" "$new"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    choose_python
    echo "making $home with $python ($(version "$python"))"
    log=$work/log
    "$python" -I -m venv --prompt tcptide "$new" >"$log" 2>&1 || die "$python -m venv failed: $(tail -n 1 "$log")"
    mkdir "$work/tree"
    (cd "$tree" && cp -R setup.cfg pyproject.toml README.md LICENSE tcptide checks reporter templates "$work/tree")
    PIP_RETRIES=${PIP_RETRIES:-2} "$new/bin/python" -I -m pip install --disable-pip-version-check --no-input --no-compile \
        "$work/tree${EXTRA:+[$EXTRA]}" >"$log" 2>&1 || {
        kept=$(mktemp "${TMPDIR:-/tmp}/tcptide-install.XXXXXX")
        cp "$log" "$kept"
        pip_failed "$kept"
    }
    "$new/bin/python" -I -m compileall -q -s "$new" -p "$PREFIX" -x '/(pip|setuptools|pkg_resources|_distutils_hack)/' "$new/lib" || true
    mkdir -p "$new/share/man/man1"
    cp "$tree"/contrib/man/*.1 "$new/share/man/man1"
    grep -lIrF "$new" "$new/bin" "$new/pyvenv.cfg" | while read -r file; do
        sed -i "s|$new|$PREFIX|g" "$file"
    done
}

link_all() {
    for path in "$home"/bin/*; do
        name=${path##*/}
        a_command "$name" || continue
        link "$BINDIR/$name" "$PREFIX/bin/$name"
        link "$pages/$name.1" "$PREFIX/share/man/man1/$name.1"
        case $name in
        check_*) [ -z "$PLUGINS" ] || link "$PLUGINS/$name" "$PREFIX/bin/$name" ;;
        esac
    done
}

link() { # PATH TARGET
    ln -sfn "$2" "$DESTDIR$1"
    echo "link $1" >>"$home/installed"
}

unlink_all() { # LISTED: of these those that lead into PREFIX
    while read -r path; do
        [ ! -L "$DESTDIR$path" ] || ! ours "$DESTDIR$path" || rm -f "$DESTDIR$path"
    done <"$1"
}

as_agent() { setpriv --reuid "$AGENT" --regid "$(id -g "$AGENT")" --init-groups "$@"; }

make_state() {
    state=$DESTDIR$STATE
    if [ -z "$AGENT" ]; then
        echo "no user icinga, nrpe or nagios, so $STATE is not made:" \
            "install the monitoring agent and run this again, or name the user, AGENT=USER"
    elif [ -e "$state" ]; then
        owner=$(stat -c %U "$state")
        [ "$owner" = "$AGENT" ] || echo "$STATE is $owner's and stays so; the checks of $AGENT have no history there"
        [ "$(id -u)" != 0 ] || [ "$owner" != "$AGENT" ] || # as its owner: root follows no link that was left there
            as_agent mkdir -p -m 0750 "$state/reports"
    else
        mkdir -p "$(dirname "$state")"
        mkdir -m 0750 "$state" "$state/reports"
        if [ "$(id -u)" = 0 ]; then
            chown "$AGENT:$(id -gn "$AGENT")" "$state" "$state/reports"
        elif [ "$(id -un)" != "$AGENT" ]; then
            echo "$STATE is $(id -un)'s: as root give it to the user who runs the checks, chown -R $AGENT: $STATE"
        fi
    fi
}

install() {
    settle
    check_places
    make_environment
    {
        for line in "plugins $PLUGINS" "bindir $BINDIR" "state $STATE" "agent $AGENT" "extra $EXTRA"; do
            [ -z "${line#* }" ] || echo "$line"
        done
    } >"$new/installed"
    was link >"$work/links"
    if [ -e "$home" ]; then
        mv "$home" "$new.old"
        mv "$new" "$home" || { mv "$new.old" "$home" && exit 1; }
        rm -rf "$new.old"
    else
        mv "$new" "$home"
    fi
    link_all
    was link >"$work/made"
    grep -vxFf "$work/made" "$work/links" >"$work/gone" || true
    unlink_all "$work/gone"
    make_state
    if [ -z "$DESTDIR" ] && command -v selinuxenabled >/dev/null && selinuxenabled; then
        # shellcheck disable=SC2046  # plain words
        restorecon -R "$home" $([ ! -e "$STATE" ] || echo "$STATE") $(was link) || true
    fi
    try_out
    echo "installed: tcptide $("$home/bin/python" -I -c 'import tcptide; print(tcptide.__version__)') in $PREFIX${EXTRA:+ with $EXTRA}," \
        "links in $BINDIR${PLUGINS:+ and $PLUGINS}${AGENT:+, state of $AGENT in $STATE}"
    [ -n "$PLUGINS" ] || echo "no plugin directory (/usr/lib/nagios/plugins, /usr/lib64/nagios/plugins): name the agent's, PLUGINS=DIR"
}

try_out() { # as who will run it: PYTHON, or a folder above PREFIX, may be closed to that user
    [ -n "$AGENT" ] && [ "$(id -u)" = 0 ] && [ -z "$DESTDIR" ] || return 0
    said=$(as_agent env -i "$PREFIX/bin/tcptide" --version 2>&1) ||
        die "$AGENT cannot run $PREFIX/bin/tcptide: $(echo "$said" | tail -n 1)"
}

uninstall() {
    [ -f "$home/installed" ] || die "nothing to uninstall: $home/installed is not there"
    STATE=${STATE:-$(was state)}
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    was link >"$work/links"
    unlink_all "$work/links"
    rm -rf "$home"
    echo "uninstalled: $PREFIX and its links"
    for kept in "$STATE" /etc/tcptide /etc/cron.d/tcptide; do
        [ ! -e "$DESTDIR$kept" ] || echo "kept: $DESTDIR$kept"
    done
}

case ${1:-} in
install) install ;;
uninstall) uninstall ;;
*) die "usage: contrib/install.sh install|uninstall" ;;
esac
