# shellcheck shell=bash
# Sourced by every script: where things are, and how to say what happens.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${MQTT_OTA_CACHE:-$root/.cache}
debian=$cache/debian

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

venv() { printf '%s/venv/%s' "$cache" "$1"; }

# First match on this machine, or in the unpacked Debian packages; empty if neither.
find_mosquitto() {
  local candidate
  for candidate in "${MOSQUITTO:-}" "$(command -v mosquitto)" /usr/sbin/mosquitto /usr/local/sbin/mosquitto \
    "$debian/usr/sbin/mosquitto"; do
    [ -n "$candidate" ] && [ -x "$candidate" ] && { printf '%s' "$candidate"; return; }
  done
  return 0
}

find_chromium() {
  local candidate
  for candidate in "${CHROMIUM:-}" "$(command -v chromium)" "$(command -v chromium-browser)" \
    "$(command -v google-chrome)"; do
    [ -n "$candidate" ] && [ -x "$candidate" ] && { printf '%s' "$candidate"; return; }
  done
  return 0
}

# What the tests and the demo need to know about this machine.
export_tools() {
  MOSQUITTO=$(find_mosquitto)
  CHROMIUM=$(find_chromium)
  export MOSQUITTO CHROMIUM
  # Wheels that are built here find the headers of an unpacked Python.
  if [ -d "$debian/usr/include/python3.14" ]; then export CPATH="$debian/usr/include"; fi
}
