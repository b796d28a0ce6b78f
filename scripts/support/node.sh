# Sourced by prepare.sh with $root set: finds the Node that everything started from scripts/ runs on. That is the
# machine's own where it is of a series that is supported, else one from npm, whose packages node-<system>-<processor>
# hold nothing but Node's own binary; it lies in .cache/node and nothing on the machine is changed. POSIX sh.
#
# PAYFLOW_NODE=22, 24 or 26 asks for one series, whatever the machine has.

DEFAULT_SERIES=24

# The release that is fetched of a series.
release_of() {
  case $1 in
  22) echo 22.23.3 ;;
  24) echo 24.21.0 ;;
  26) echo 26.10.0 ;;
  *) fail USAGE "There is no supported Node series $1. Supported are 22, 24 and 26." ;;
  esac
}

# Whether a Node will do that calls itself $1. The oldest 22 is the first that runs TypeScript by itself; the same
# versions stand in package.json's engines and in services/shared/node-version.ts.
will_do() {
  series=${1#v}
  minor=${series#*.}
  minor=${minor%%.*}
  series=${series%%.*}
  [ "${PAYFLOW_NODE:-$series}" = "$series" ] || return 1
  case $series in
  22) [ "$minor" -ge 18 ] ;;
  24 | 26) ;;
  *) return 1 ;;
  esac
}

# Sets $node, and puts it first in PATH where it is not the machine's own, so that npm runs on it too.
find_node() {
  found=
  for node in node nodejs; do
    version=$("$node" --version 2>/dev/null) || continue
    will_do "$version" && return
    found=${found:-$version}
  done
  release=$(release_of "${PAYFLOW_NODE:-$DEFAULT_SERIES}") || exit
  folder=$root/.cache/node/$release
  if [ ! -x "$folder/bin/node" ]; then
    lock
    [ -x "$folder/bin/node" ] || fetch_node
    unlock
  fi
  node=$folder/bin/node
  PATH=$folder/bin:$PATH
  export PATH
}

# npm's name for this kind of machine; Node's own binaries do not run on musl.
node_package() {
  case $(uname -s) in
  Linux) system=linux ;;
  Darwin) system=darwin ;;
  MINGW* | MSYS* | CYGWIN*) system=win ;;
  *) system= ;;
  esac
  case $(uname -m) in
  x86_64 | amd64) processor=x64 ;;
  aarch64 | arm64) processor=arm64 ;;
  *) processor= ;;
  esac
  if [ "$system" = linux ] && ldd --version 2>&1 | grep -qi musl; then system=; fi
  [ -n "$system" ] && [ -n "$processor" ] && echo "node-$system-$processor"
}

fetch_node() {
  install_it='Install Node.js 24 from https://nodejs.org or with a version manager.'
  had=${found:+This machine has Node $found. }
  command -v npm >/dev/null 2>&1 || fail NODE_MISSING "${had}Node.js 22.18 or newer, 24 or 26 is needed. $install_it"
  package=$(node_package) || fail NODE_MISSING "${had}npm has no Node for this kind of machine. $install_it"
  say "${had}Fetching Node $release from npm into .cache/node for use here only"
  started=$(date +%s)
  rm -rf "$folder.new"
  mkdir -p "$folder.new"
  (cd "$folder.new" && npm install --prefix . --no-save --no-package-lock --ignore-scripts --no-audit --no-fund \
    "$package@$release" >"$root/.cache/node.log" 2>&1) || {
    tail -n 20 "$root/.cache/node.log" >&2
    fail NODE_MISSING "npm could not fetch $package@$release. $install_it"
  }
  mv "$folder.new/node_modules/$package/bin" "$folder.new/bin"
  rm -rf "$folder.new/node_modules"
  mv "$folder.new" "$folder"
  say "Node $release fetched in $(seconds_since "$started") s"
}
