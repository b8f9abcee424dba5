#!/usr/bin/env bash
# Builds smpp34's perf_smsc and perf_esme, which `cargo run --release -p bench -- smpp` sets the engine beside, from the
# crate of that name into target/peers/bin (or HAYAUMA_PEERS/bin), where the bench looks for them.
set -euo pipefail
cd "$(dirname "$0")/.."
directory=${HAYAUMA_PEERS:-target/peers}
mkdir -p "$directory"
cargo install smpp34 --version 1.5.1 --example perf_smsc --example perf_esme --root "$directory" --target-dir \
  "$directory/smpp34" "$@"
