//! What billing events the chunks of a log have.

use crate::cluster::chunk::{Chunk, ChunkKind};
use crate::cluster::limits::CHUNK_HEAD_OCTETS;
use crate::shard::books::events_of_frames;

/// The events of a chunk of this partition's log, one behind the other.
///
/// # Errors
/// It is no whole chunk.
pub fn events_of_chunk(partition: u16, octets: &[u8]) -> Result<Vec<u8>, String> {
    let head = Chunk::read(octets, partition).map_err(|error| error.to_string())?.head;
    let mut events = Vec::new();
    if head.kind == ChunkKind::Records {
        let frames = &octets[CHUNK_HEAD_OCTETS..];
        let mut each = |event: &crate::billing::Event| events.extend(event.octets());
        events_of_frames(frames, partition, head.first, &mut each)
            .map_err(|error| error.to_string())?;
    }
    Ok(events)
}
