# Commands that people type often. `just` lists them.

default:
    @just --list

# What continuous integration runs.
ci:
    bash .ci/run

# Every test that belongs to a change.
test:
    cargo test --workspace

# The whole-program tests under the driver poll.
test-poll *ARGS:
    HAYAUMA_TEST_IO=poll cargo test -p tests {{ARGS}}

# The rooms, their floors, and who imports whom.
rooms:
    cargo run -p tests --bin rooms

# The rules of the standards and of the interface, with the code and the tests that cite them; `just clauses 9.2.3.24` some.
clauses *TEXT:
    cargo run -p tests --bin clauses -- {{TEXT}}

# A million pushes, every one accounted for.
drill *ARGS:
    cargo run --release -p loadgen -- drill {{ARGS}}

# Heavier runs for a quiet machine: simulate, simulate-seeds, kills, carriers, handed, power, timing, poll, partitions, alive,
# flood, unread, full-device, handshakes, histories, lists, broadcasts, broadcast-kills, broadcast-cuts,
# cluster-simulate, cluster-explore, cluster-fence, fuzz TARGET.
heavy NAME *ARGS:
    @just _heavy-{{NAME}} {{ARGS}}

_heavy-simulate SEED="1":
    cargo run --release -p tests --bin simulate -- --seed {{SEED}} --pushes 1000000

# Goes on where it was when it is given the same range again.
_heavy-simulate-seeds FIRST="1" SEEDS="1000000" *ARGS:
    cargo run --release -p tests --bin simulate -- --seed {{FIRST}} --seeds {{SEEDS}} --pushes 60 \
      --bookmark target/simulate-seeds-{{FIRST}}-{{SEEDS}} {{ARGS}}

_heavy-kills:
    HAYAUMA_TEST_KILLS=2000 cargo test -p tests --test kill_points -- --nocapture

_heavy-carriers:
    HAYAUMA_TEST_CARRIER_KILLS=100 cargo test -p tests --test carriers -- --nocapture kills

_heavy-handed PUSHES="1000000":
    HAYAUMA_TEST_HANDED={{PUSHES}} cargo test --release -p tests --test carriers -- --nocapture however_much

_heavy-power:
    HAYAUMA_TEST_POWER_CUTS=20 cargo test -p tests --test power_cut -- --nocapture

_heavy-timing:
    HAYAUMA_TEST_TIMING=1 cargo test -p loadgen

_heavy-poll *ARGS:
    @just test-poll {{ARGS}}

_heavy-partitions COUNT="4" *ARGS:
    HAYAUMA_TEST_PARTITIONS={{COUNT}} cargo test -p tests {{ARGS}}

_heavy-alive *ARGS:
    cargo run --release -p tests --bin alive -- {{ARGS}}

_heavy-flood:
    HAYAUMA_TEST_FLOOD=full cargo test --release -p tests --test flood -- --nocapture --test-threads 1

_heavy-unread CLIENTS="1000":
    HAYAUMA_TEST_UNREAD_CLIENTS={{CLIENTS}} cargo test --release -p tests --test unread -- --nocapture never_read

_heavy-full-device SECONDS="60":
    HAYAUMA_TEST_FULL_DEVICE_SECONDS={{SECONDS}} cargo test --release -p tests --test surroundings full_load -- --nocapture

_heavy-handshakes:
    HAYAUMA_HANDSHAKES=5000 cargo test --release -p tests --test tls -- --nocapture --test-threads 1 storm handshakes

_heavy-histories COUNT="1000000":
    JOURNAL_HISTORIES={{COUNT}} cargo test --release -p dataplane --lib histories -- --nocapture

_heavy-lists:
    HAYAUMA_LISTS=1000000 cargo test --release -p dataplane --lib lists::tests::agreement -- --nocapture

_heavy-broadcast-kills KILLS="1000" ROWS="100000":
    HAYAUMA_TEST_BROADCAST_KILLS={{KILLS}} HAYAUMA_TEST_BROADCAST_ROWS={{ROWS}} cargo test --profile kills -p tests --test broadcast_kills kills -- --nocapture

_heavy-broadcast-cuts CUTS="20":
    HAYAUMA_TEST_BROADCAST_CUTS={{CUTS}} cargo test --profile kills -p tests --test broadcast_cuts -- --nocapture

_heavy-broadcasts:
    HAYAUMA_BROADCASTS=100000 cargo test --release -p dataplane --lib broadcast::slice -- --nocapture

_heavy-cluster-simulate SEED="1":
    cargo run --release -p tests --bin cluster_simulate -- --seed {{SEED}} --seeds 100000

_heavy-cluster-explore STEPS="6":
    cargo run --release -p tests --bin cluster_simulate -- --explore {{STEPS}}

_heavy-cluster-fence TIMES="1000":
    HAYAUMA_TEST_FENCES={{TIMES}} cargo test --release -p tests --test cluster_nats -- --nocapture fence

_heavy-fuzz TARGET:
    cd engine/fuzz && cargo +nightly fuzz run {{TARGET}} -- -max_total_time=600
