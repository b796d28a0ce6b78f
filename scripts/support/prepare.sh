# Sourced by scripts/payflow, scripts/demo and scripts/test with $root set: finds Node, and installs and builds
# what is missing or older than its sources. Two that are started at once take turns by a lock. Where there is
# nothing to do it costs a few milliseconds. POSIX sh.

say() {
  printf 'payflow: %s\n' "$1" >&2
}

fail() {
  printf '[%s] %s\n' "$1" "$2" >&2
  exit 3
}

# Sets $node and $major.
find_node() {
  for node in node nodejs; do
    major=$("$node" --version 2>/dev/null) || continue
    major=${major#v}
    major=${major%%.*}
    [ "$major" -ge 20 ] && return
  done
  fail NODE_MISSING 'Node.js 20 or newer is needed. Install it from https://nodejs.org or with nvm.'
}

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

# What the installed packages depend on: the lock file and, for compiled ones, the Node version.
wanted_packages() {
  printf '%s node %s\n' "$(cksum <"$root/package-lock.json")" "$major"
}

is_installed() {
  [ -f "$root/node_modules/.payflow-installed" ] &&
    [ "$(cat "$root/node_modules/.payflow-installed")" = "$(wanted_packages)" ]
}

install_packages() {
  command -v npm >/dev/null 2>&1 || fail NODE_MISSING 'npm is needed. It comes with Node.js from https://nodejs.org.'
  how=ci
  if [ -d "$root/node_modules" ]; then
    case $(cat "$root/node_modules/.payflow-installed" 2>/dev/null) in
    *" node $major" | '') how='install --no-save' ;;
    esac
  fi
  # Compiled packages need Node's headers: those beside Node, where they are, save a download.
  prefix=$("$node" -p 'path.resolve(process.execPath, "../..")')
  if [ -z "${npm_config_nodedir:-}" ] && [ -f "$prefix/include/node/node.h" ]; then
    npm_config_nodedir=$prefix
    export npm_config_nodedir
  fi
  say "installing packages (npm $how); the first time this takes a minute or more"
  # shellcheck disable=SC2086
  (cd "$root" && npm $how --include=dev --no-audit --no-fund >.cache/install.log 2>&1) || {
    tail -n 20 "$root/.cache/install.log" >&2
    fail INSTALL_FAILED "npm $how failed. The whole log is $root/.cache/install.log."
  }
  wanted_packages >"$root/node_modules/.payflow-installed"
}

is_built() {
  [ -f "$root/dist/.built" ] &&
    [ -z "$(cd "$root" && find services scripts test tsconfig.json -name '*.ts' -newer dist/.built -o -name tsconfig.json -newer dist/.built | head -n 1)" ]
}

build() {
  say 'building (tsc)'
  mkdir -p "$root/dist"
  # Taken before, so that what is edited during the build counts as newer.
  : >"$root/dist/.building"
  if (cd "$root" && "$node" node_modules/typescript/bin/tsc -p tsconfig.json --incremental \
    --tsBuildInfoFile dist/.tsbuildinfo >.cache/build.log 2>&1); then
    mv "$root/dist/.building" "$root/dist/.built"
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
