//! Shapes that narrow the areas of a leg: of whom it is known in which cell of the mesh they live,
//! only those are addressed of whose cell the shapes have a part.
//!
//! **Invariants:** nobody is added to whom the areas select; an area that lies within the shapes as
//! a whole is not narrowed; who has no cell counts with the area.

use std::collections::BTreeSet;

use crate::broadcast::areas::mesh::{MESH_PARAMETER, MeshShape};
use crate::broadcast::areas::shapes::touched;
use crate::broadcast::areas::{AreaCatalogue, AreaSelection, key_of};
use crate::broadcast::lists::view::ListView;
use crate::broadcast::manifest::{ManifestError, Within, no_area, wrong};

/// Where a row lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Placed {
    /// Within, or where nothing is narrowed.
    Within,
    /// Outside the shapes.
    Outside,
    /// It has no cell, or one that is none.
    Nowhere,
}

/// The shapes of a leg, held against the rows of its list.
pub(super) struct Narrowing<'a> {
    shape: MeshShape,
    /// The place of the cell among the list's parameters.
    column: Option<usize>,
    /// The areas that are narrowed; `None`: all.
    narrowed: Option<AreaSelection<'a>>,
    /// Those that lie within as a whole.
    whole: AreaSelection<'a>,
    /// The area that is being looked at is narrowed.
    is_narrowed: bool,
}

impl<'a> Narrowing<'a> {
    pub(super) fn new(
        within: &Within,
        catalogue: &'a AreaCatalogue,
        list: &ListView<'_>,
        place: &str,
    ) -> Result<Self, ManifestError> {
        let place = format!("{place}/within");
        let area = within.shapes(&place)?;
        let own: BTreeSet<String> =
            list.areas().filter_map(|(area, _)| area).map(|area| key_of(&area)).collect();
        let select = |codes: &[String]| {
            let selected = catalogue.select(codes, &own);
            selected.map_err(|(at, unknown)| {
                no_area(format!("{place}/areas/{at}"), unknown.to_string())
            })
        };
        let narrowed = (!within.areas.is_empty()).then(|| select(&within.areas)).transpose()?;
        let reached = touched(catalogue, &area, None);
        let reached = reached.map_err(|error| wrong(&place, error.to_string()))?;
        let whole = reached.into_iter().filter(|one| one.is_whole()).map(|one| one.code);
        let whole = select(&whole.collect::<Vec<String>>())?;
        let names = list.parameter_names();
        let column = names.iter().position(|name| *name == MESH_PARAMETER);
        Ok(Self { shape: MeshShape::new(&area), column, narrowed, whole, is_narrowed: false })
    }

    /// Rows of this area are looked at from here on.
    pub(super) fn begin_area(&mut self, area: &str) {
        let is_meant = self.narrowed.as_ref().is_none_or(|narrowed| narrowed.takes(area));
        self.is_narrowed = is_meant && !self.whole.takes(area);
    }

    /// Where a row with these parameters lives.
    pub(super) fn place(&mut self, values: &[&str]) -> Placed {
        if !self.is_narrowed {
            return Placed::Within;
        }
        let code = self.column.and_then(|column| values.get(column)).copied().unwrap_or_default();
        match self.shape.reaches(code) {
            Some(true) => Placed::Within,
            Some(false) => Placed::Outside,
            None => Placed::Nowhere,
        }
    }
}
