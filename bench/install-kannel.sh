#!/usr/bin/env bash
# Installs Kannel for `cargo run --release -p bench -- peers` from the distribution's own package (Debian, Ubuntu).
# Needs root. The bench starts boxes of its own on free ports of loopback; the package's service is not used.
set -euo pipefail

if ! command -v apt-get >/dev/null 2>&1; then
  echo "There is no apt-get here: install Kannel 1.4 by your system's own means, so that bearerbox and smsbox are in" \
    "PATH or in /usr/sbin." >&2
  exit 1
fi
if [ "$(id -u)" != 0 ]; then
  echo "Installing packages needs root: run this as root, or with sudo." >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq kannel
if command -v systemctl >/dev/null 2>&1 && systemctl is-active --quiet kannel 2>/dev/null; then
  # The package's own service would hold CPU and ports for nothing.
  systemctl disable --now kannel
fi
/usr/sbin/bearerbox --version | head -1
