# Sourced by the scripts with $root set: finds or brings Node, and installs and builds what is missing or older than
# its sources, with the time that each took. Two that are started at once take turns by a lock. Where there is
# nothing to do it costs a few milliseconds. POSIX sh.

say() {
  printf 'payflow: %s\n' "$1" >&2
}

# fail CODE TEXT: exit 2 for a wrong call, else 3.
fail() {
  printf '[%s] %s\n' "$1" "$2" >&2
  [ "$1" = USAGE ] && exit 2
  exit 3
}

seconds_since() {
  echo $(($(date +%s) - $1))
}

. "$root/scripts/support/node.sh"

# The lock is a symbolic link that names its owner: made in one step, so it never stands without an owner.
lock() {
  mkdir -p "$root/.cache" && [ -w "$root/.cache" ] || fail NOT_WRITABLE "$root cannot be written. Use a copy that is yours."
  lock=$root/.cache/lock
  trap 'exit 130' INT TERM
  waiting=
  until ln -s "$$" "$lock" 2>/dev/null; do
    owner=$(readlink "$lock" 2>/dev/null) || continue
    if ps -p "$owner" >/dev/null 2>&1; then
      [ -n "$waiting" ] || say "waiting for another one that installs or builds (process $owner)"
      waiting=1
      sleep 0.2
      continue
    fi
    # Several may find the same dead owner: whoever moved somebody's new lock away puts it back.
    mv "$lock" "$lock.$$" 2>/dev/null || continue
    [ "$(readlink "$lock.$$")" = "$owner" ] || ln -s "$(readlink "$lock.$$")" "$lock"
    rm -f "$lock.$$"
  done
  trap 'rm -f "$lock"' EXIT
}

unlock() {
  rm -f "$lock"
  trap - EXIT INT TERM
}

# What the installed packages depend on: the lock file alone, since none of them is compiled for one Node.
wanted_packages() {
  cksum <"$root/package-lock.json"
}

is_installed() {
  [ -f "$root/node_modules/.payflow-installed" ] &&
    [ "$(cat "$root/node_modules/.payflow-installed")" = "$(wanted_packages)" ]
}

install_packages() {
  command -v npm >/dev/null 2>&1 || fail NODE_MISSING 'npm is needed. It comes with Node.js from https://nodejs.org.'
  how=ci
  [ -d "$root/node_modules" ] && how='install --no-save'
  say "installing packages (npm $how)"
  started=$(date +%s)
  # shellcheck disable=SC2086
  (cd "$root" && npm $how --include=dev --no-audit --no-fund >.cache/install.log 2>&1) || {
    tail -n 20 "$root/.cache/install.log" >&2
    fail INSTALL_FAILED "npm $how failed. The whole log is $root/.cache/install.log."
  }
  wanted_packages >"$root/node_modules/.payflow-installed"
  say "packages installed in $(seconds_since "$started") s"
}

is_built() {
  [ -f "$root/dist/.built" ] &&
    [ -z "$(cd "$root" && find services scripts test tsconfig.json -name '*.ts' -newer dist/.built -o -name tsconfig.json -newer dist/.built | head -n 1)" ]
}

build() {
  started=$(date +%s)
  mkdir -p "$root/dist"
  # Taken before, so that what is edited during the build counts as newer.
  : >"$root/dist/.building"
  if (cd "$root" && "$node" node_modules/typescript/bin/tsc -p tsconfig.json --incremental \
    --tsBuildInfoFile dist/.tsbuildinfo >.cache/build.log 2>&1); then
    mv "$root/dist/.building" "$root/dist/.built"
    say "built in $(seconds_since "$started") s"
  elif [ "$1" = strict ]; then
    tail -n 20 "$root/.cache/build.log" >&2
    fail BUILD_FAILED "tsc found errors. The whole list is $root/.cache/build.log."
  fi
}

# prepare strict|lenient: a build with type errors ends a strict one; scripts/test reports them itself.
prepare() {
  find_node
  # An installed package holds no sources: everything is in place.
  [ -f "$root/tsconfig.json" ] || return 0
  is_installed && is_built && return
  lock
  is_installed || install_packages
  is_built || build "$1"
  unlock
}
