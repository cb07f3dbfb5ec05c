# shellcheck shell=bash
# Sourced by every script: where things are, and how to say what happens.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# What is built lands in the work tree's .cache; in the user's own where the tree belongs to somebody else.
pick_cache() {
  local place
  for place in "${MQTT_OTA_CACHE:-$root/.cache}" "${XDG_CACHE_HOME:-${HOME:-}/.cache}/mqtt_ota"; do
    mkdir -p "$place" 2>/dev/null && [ -w "$place" ] && { cd "$place" && pwd; return; }
  done
  return 1
}

cache=$(pick_cache) || die "No folder to build in: set MQTT_OTA_CACHE to one that you may write to."
debian=$cache/debian

venv() { printf '%s/venv/%s' "$cache" "$1"; }

first_program() {
  local candidate
  for candidate in "$@"; do
    [ -n "$candidate" ] && command -v "$candidate" && return
  done
  return 0
}

find_mosquitto() {
  first_program "${MOSQUITTO:-}" mosquitto /usr/sbin/mosquitto /usr/local/sbin/mosquitto "$debian/usr/sbin/mosquitto"
}

find_chromium() { first_program "${CHROMIUM:-}" chromium chromium-browser google-chrome; }

# The mirror that apt is configured with, so that no host stands here.
debian_mirror() {
  { cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null || true; } |
    sed -nE 's#^(URIs:|deb( \[[^]]*\])?) *(https?://[^ ]*/debian)/?( .*)?$#\3#p' | head -n 1
}

# What the tests and the demo need to know about this machine.
export_tools() {
  MQTT_OTA_CACHE=$cache
  MOSQUITTO=$(find_mosquitto)
  CHROMIUM=$(find_chromium)
  export MQTT_OTA_CACHE MOSQUITTO CHROMIUM
}

# What plays the boards: the C++ core as a program where it can be built, else its Python twin.
export_board() {
  local built
  [ -n "${BOARD_PROGRAM:-}" ] && return
  built=$("$root/scripts/firmware" vboard) || built=
  if [ -x "$built" ]; then
    export BOARD_PROGRAM=$built
  else
    say "The virtual board cannot be built here; a board in Python takes its place."
  fi
}
