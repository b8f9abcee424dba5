//! Every bound of broadcasts, with its unit.

/// Recipients of one list.
pub const LIST_ROWS_MAX: u32 = 50_000_000;
/// A line of a recipients' file, in octets; one in quotes that holds line ends counts as one.
pub const LINE_OCTETS_MAX: usize = 4_096;
/// Columns of parameters that a list may have.
pub const PARAMETER_COLUMNS_MAX: usize = 8;
/// XPIDs that a list may be bound to.
pub const LIST_XPIDS_MAX: usize = 64;
/// Columns of a file that are ignored and named; more are ignored.
pub const IGNORED_COLUMNS_NAMED_MAX: usize = 32;
/// Languages of one list.
pub const LANGUAGES_MAX: usize = 64;
/// A language tag, in octets.
pub const LANGUAGE_OCTETS_MAX: usize = 35;
/// Areas of one list that are no municipality.
pub const OTHER_AREAS_MAX: usize = 65_535;
/// The code of an area with its system, in octets.
pub const AREA_OCTETS_MAX: usize = 64;
/// Different sets of parameters in one area of a list: a row has 16 bits for its own.
pub const PARAMETERS_OF_AN_AREA_MAX: usize = 65_535;
/// All different sets of parameters of a list, in octets.
pub const PARAMETERS_OCTETS_MAX: usize = 256 << 20;
/// How many different sets of parameters of a list there may be, some 200 octets of memory each
/// beside their own.
pub const PARAMETERS_MAX: usize = 1_000_000;
/// How many different sets of all that rows of a list have beside their msns, some 60 octets each.
pub const SETS_MAX: usize = 2_000_000;
/// Tables of results that are read at once, four octets a row each.
pub const READINGS_MAX: usize = 4;
/// Dry runs that are made at once, sixteen octets a row on the device each and as many in memory,
/// and of one caller.
pub const CHECKS_MAX: usize = 4;
/// See there.
pub const CHECKS_OF_ONE_MAX: usize = 2;
/// Rows that are looked for at once in broadcasts that are over, each of which reads a whole file
/// of recipients; and by one caller.
pub const SEARCHES_MAX: usize = 4;
/// See there.
pub const SEARCHES_OF_ONE_MAX: usize = 2;
/// Lists that are taken in at once.
pub const IMPORTS_MAX: usize = 2;
/// Refused lines that an account names.
pub const REFUSED_LINES_NAMED_MAX: usize = 100;
/// All refused lines of a file that are kept, in octets.
pub const REFUSED_OCTETS_MAX: usize = 8 << 20;
/// Conflicts that an account names with their lines.
pub const CONFLICTS_NAMED_MAX: usize = 100;
/// Rows that an import holds in memory before it puts them into files, 16 octets each.
pub const ROWS_HELD_MAX: usize = 2_000_000;
/// Pieces, by the first bits of a row's order, that an import sorts one by one.
pub const PIECES: usize = 64;
/// Octets that have one checksum in a list's file.
pub const CHECKED_OCTETS: usize = 1 << 20;
/// Refused lines, in hundredths of all, above which a version cannot be used as it is.
pub const REFUSED_PERCENT_MAX: u64 = 1;
/// So many refused lines are no reason, however few lines there are.
pub const REFUSED_LINES_FREE: u64 = 10;

const _: () = assert!(PIECES.is_power_of_two() && PARAMETERS_OF_AN_AREA_MAX <= u16::MAX as usize);
const _: () = assert!(LIST_ROWS_MAX as usize / PIECES < ROWS_HELD_MAX);
/// Rows that are claimed in one piece.
pub const PIECE_ROWS: u32 = 32;
/// Waves of a broadcast.
pub const WAVES_MAX: usize = 16;
/// A text with its places for parameters, in characters.
pub const TEXT_CHARACTERS_MAX: usize = 2_000;
/// Places for parameters in a text.
pub const TEXT_PARAMETERS_MAX: usize = 32;
/// A manifest, in octets.
pub const MANIFEST_OCTETS_MAX: usize = 1 << 20;
/// Legs of a broadcast.
pub const LEGS_MAX: usize = 64;
/// Areas that one audience names.
pub const AREAS_MAX: usize = 65_535;
/// The longest from start to deadline, in seconds.
pub const LIFETIME_SECONDS_MAX: u64 = 72 * 3_600;
/// Between start and first attempt, in seconds.
pub const HOLD_SECONDS_MAX: u64 = 600;
/// Live broadcasts.
pub const LIVE_MAX: usize = 256;
/// Segments that a broadcast of weight 1 has in a turn.
pub const QUANTUM_SEGMENTS: i64 = 32;
/// A ramp begins with so many percent of its pace.
pub const RAMP_FIRST_PERCENT: u64 = 10;
/// So many percent of a second's rows may meet congestion before the pace is halved.
pub const CONGESTED_PERCENT: u64 = 2;
/// Percent of the pace that a second without congestion gives back.
pub const RECOVERED_PERCENT_A_SECOND: u64 = 5;
/// Different texts of a broadcast.
pub const TEXTS_MAX: usize = 4_096;
/// Different texts of rows' own, 16 octets of memory each while a dry run writes them.
pub const OWN_TEXTS_MAX: u32 = 4_000_000;
/// All of them together, in octets on the device.
pub const OWN_OCTETS_MAX: u64 = 2 << 30;
/// Rows of a class that wait in a shard's queue of attempts for the first of theirs.
pub const ROWS_QUEUED_MAX: usize = 1_024;
/// The fewest rows that are claimed ahead of their turns, where no pace wants fewer. A crash leaves
/// in doubt what is claimed.
pub const CLAIMED_AHEAD_MIN: u32 = PIECE_ROWS;
/// The same of a broadcast all of whose rows go by carriers.
pub const CLAIMED_AHEAD_CARRIERS_MIN: u32 = 4;
/// The most where a crash's doubts are never sent again.
pub const CLAIMED_AHEAD_LEFT_MAX: u32 = 256;
/// No more is claimed ahead than goes out in so many milliseconds, where claims are durable within
/// half of that.
pub const CLAIMED_AHEAD_MS: u64 = 100;
/// The same where they never are: a device that stands leaves no more than that in doubt.
pub const CLAIMED_AHEAD_MS_MAX: u64 = 1_000;
/// The most.
pub const CLAIMED_AHEAD_MAX: u32 = 16_384;
/// Rows that may stand in the slab of pushes, in percent of its places.
pub const SLAB_PERCENT_MAX: usize = 80;
/// Rows of the slab looked at in one turn to end those of a broadcast that is stopped.
pub const SWEPT_PER_TURN_MAX: usize = 4_096;
/// How often other broadcasts' recipients are searched in one turn for who had a text already, a
/// microsecond or two each. What is left is looked at in the next.
pub const SEARCHES_PER_TURN_MAX: usize = 2_048;
/// Octets of the journal that are kept for a claimed row to say what became of it.
pub const JOURNAL_OCTETS_PER_ROW: u64 = 24;
/// Rows that wait in the lane of one route of carriers for the first of their attempts: as many as
/// go out in [`CLAIMED_AHEAD_MS`], but no more than this.
pub const ROUTE_ROWS_QUEUED_MAX: usize = 256;
/// And no fewer than this.
pub const ROUTE_ROWS_QUEUED_MIN: usize = 4;
/// Rows of a broadcast's part that wait outside the window of claims, so that rows of other ways
/// pass those whose carriers take none. Some 40 octets each, and 24 of the journal.
pub const PASSED_ROWS_MAX: usize = 1 << 18;
/// Octets of the journal that are kept beside those for a row that carriers may take.
pub const HANDED_OCTETS_PER_ROW: u64 = 64;
/// And for each of its segments: to write its id, and what became of it.
pub const HANDED_OCTETS_PER_SEGMENT: u64 = 96;
/// Rows that carriers had before a start and that come back in one turn.
pub const RETURNED_PER_TURN_MAX: usize = 4_096;
/// Areas of the catalogue.
pub const CATALOGUE_AREAS_MAX: usize = 65_535;
/// Names that other systems have for one area.
pub const AREA_ALIASES_MAX: usize = 64;
/// The name of an area, in characters.
pub const AREA_NAME_CHARACTERS_MAX: usize = 200;
/// Points of all boundaries, 16 octets each.
pub const BOUNDARY_POINTS_MAX: usize = 4_000_000;
/// A line of a file of areas, in octets.
pub const FEATURE_OCTETS_MAX: usize = 8 << 20;
/// A file of areas, in octets.
pub const FEATURES_OCTETS_MAX: u64 = 512 << 20;
/// Points that a shape and the boundaries near it may have together where they are compared.
pub const MATCHED_POINTS_MAX: usize = 8_000_000;
/// Points of the shapes that narrow an audience: a dry run holds each cell of the mesh that its
/// list has, some 400,000 at most, against all of them.
pub const WITHIN_POINTS_MAX: usize = 2_000;
/// Areas that are named where one is not known.
pub const NEAREST_NAMED: usize = 3;
/// The name of a template, in octets.
pub const TEMPLATE_NAME_OCTETS_MAX: usize = 40;
/// Templates that there may be.
pub const TEMPLATES_MAX: usize = 1_000;
/// Versions of a template that are kept.
pub const TEMPLATE_VERSIONS_KEPT: usize = 20;
/// Lists that the areas of a shape are counted in at once.
pub const MATCHED_LISTS_MAX: usize = 16;
/// Sources of warnings.
pub const SOURCES_MAX: usize = 256;
/// Lists, and names of senders, of one source.
pub const SOURCE_NAMES_MAX: usize = 32;
/// Warnings of one source that its log keeps; beyond them the oldest go.
pub const SOURCE_WARNINGS_KEPT: u64 = 100_000;
