//! Every bound of what is read from a warning, with its unit.

/// A document, in octets.
pub const DOCUMENT_OCTETS_MAX: usize = 4 * 1024 * 1024;
/// Elements that stand within each other, the root included.
pub const DEPTH_MAX: usize = 16;
/// A start tag with its attributes, in octets. What follows from long tags costs the parser more
/// than their length.
pub const TAG_OCTETS_MAX: usize = 4096;
/// Namespace declarations of a document: each element that has one keeps all that are in force.
pub const NAMESPACES_MAX: usize = 64;
/// Elements, texts and comments of a document.
pub const NODES_MAX: u32 = 200_000;
/// `info` elements of an alert.
pub const INFOS_MAX: usize = 128;
/// Legs that an alert comes to.
pub const LEGS_MAX: usize = 64;
/// Codes of areas in one leg.
pub const CODES_MAX: usize = 65_535;
/// Polygons and circles of a document.
pub const SHAPES_MAX: usize = 100;
/// Points of one polygon.
pub const POINTS_MAX: usize = 10_000;
/// Pairs of a document's polygon sides that are compared to find two that cross.
pub const CROSSINGS_TESTED_MAX: usize = 4_000_000;
/// Messages that an alert may refer to.
pub const REFERENCES_MAX: usize = 1_000;
/// One text of a draft, in characters: ten short messages hold fewer.
pub const TEXT_CHARACTERS_MAX: usize = 8_000;
/// An identifier, a sender, the name of an area: in characters.
pub const NAME_CHARACTERS_MAX: usize = 1_000;
/// Warnings that a draft keeps; the last one says that there are more.
pub const WARNINGS_MAX: usize = 100;
/// Short messages of one text, unless the caller says otherwise.
pub const SEGMENTS_MAX_DEFAULT: u8 = 3;
/// The latest deadline: so long after the start, in milliseconds.
pub const DEADLINE_MS_MAX: u64 = 72 * 3_600_000;

const _: () = assert!(TAG_OCTETS_MAX < DOCUMENT_OCTETS_MAX && LEGS_MAX <= INFOS_MAX);
