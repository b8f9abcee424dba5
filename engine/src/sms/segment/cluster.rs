//! Where a segment had better end: between grapheme clusters.
