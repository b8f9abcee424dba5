//! `rooms`: the engine's rooms, their floors, and who imports whom, as ARCHITECTURE.md shows them.

use tests::house::{floors, rooms, rooms_table, root, sources};

fn main() {
    let architecture = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap_or_default();
    let rooms = rooms(&sources(&["engine"]));
    print!("{}", rooms_table(&rooms, &floors(&architecture)));
}
