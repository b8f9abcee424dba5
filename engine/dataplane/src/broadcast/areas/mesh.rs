//! Cells of the standard mesh of Japan (JIS X0410, the third mesh: 8 digits, about a square
//! kilometre), and which of them a shape reaches.
//!
//! **Never here:** rows, lists. **Invariant:** what is no cell is said to be none, and never taken
//! for one that is near.

use std::collections::HashMap;

use geo::{BoundingRect as _, Coord, Intersects as _, MultiPolygon, Polygon, Rect};
use wire::cap::area::Area as WarnedArea;

use super::shapes::shape_of;

/// The parameter of a list that is the cell in which somebody lives.
pub const MESH_PARAMETER: &str = "mesh";
/// Cells of the first mesh are two thirds of a degree high and one wide, in rows from the equator
/// on and columns from 100 degrees east on.
const FIRST_A_DEGREE: f64 = 1.5;
const FIRST_EAST: f64 = 100.0;
/// Rows and columns of the first mesh that a part of Japan lies in: what is outside is misspelt.
const FIRST_ROWS: std::ops::RangeInclusive<u32> = 30..=68;
const FIRST_COLUMNS: std::ops::RangeInclusive<u32> = 22..=54;
/// The second mesh cuts the first in so many rows and columns, the third the second.
const SECOND: u32 = 8;
const THIRD: u32 = 10;
/// What neighbours have in common is their border: so much less of a cell counts, in degrees.
const BORDER: f64 = 1e-8;

/// Where a cell is; `None` where the code is none.
pub fn cell(code: &str) -> Option<Rect<f64>> {
    let digits: [u8; 8] = code.as_bytes().try_into().ok()?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let [row_tens, row, column_tens, column, second_row, second_column, third_row, third_column] =
        digits.map(|digit| u32::from(digit - b'0'));
    let (row, column) = (row_tens * 10 + row, column_tens * 10 + column);
    let is_one = FIRST_ROWS.contains(&row)
        && FIRST_COLUMNS.contains(&column)
        && second_row < SECOND
        && second_column < SECOND;
    if !is_one {
        return None;
    }
    let side = f64::from(SECOND * THIRD);
    let place = |first: u32, second: u32, third: u32| {
        f64::from(first) + f64::from(second * THIRD + third) / side
    };
    let south = place(row, second_row, third_row) / FIRST_A_DEGREE;
    let west = FIRST_EAST + place(column, second_column, third_column);
    let (height, width) = (1.0 / side / FIRST_A_DEGREE, 1.0 / side);
    Some(Rect::new(
        Coord { x: west + BORDER, y: south + BORDER },
        Coord { x: west + width - BORDER, y: south + height - BORDER },
    ))
}

/// A shape that cells are held against, each once.
pub struct MeshShape {
    shape: MultiPolygon<f64>,
    /// The polygons' bounds, each.
    bounds: Vec<Option<Rect<f64>>>,
    /// By the code of a cell: of these there are only so many, of what is none as many as rows.
    known: HashMap<String, bool>,
}

impl MeshShape {
    /// The polygons and circles of an area.
    pub fn new(area: &WarnedArea) -> Self {
        let shape = shape_of(area);
        let bounds = shape.0.iter().map(Polygon::bounding_rect).collect();
        Self { shape, bounds, known: HashMap::new() }
    }

    /// Whether a part of this cell lies within; `None` where it is no cell.
    pub fn reaches(&mut self, code: &str) -> Option<bool> {
        if let Some(known) = self.known.get(code) {
            return Some(*known);
        }
        let found = self.has_part_of(&cell(code)?);
        self.known.insert(code.to_owned(), found);
        Some(found)
    }

    fn has_part_of(&self, cell: &Rect<f64>) -> bool {
        let corners = cell.to_polygon();
        self.shape.0.iter().zip(&self.bounds).any(|(polygon, bounds)| {
            bounds.is_some_and(|bounds| bounds.intersects(cell)) && polygon.intersects(&corners)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(polygon: &str) -> MeshShape {
        let mut area = WarnedArea::default();
        area.add_polygon(polygon).expect("a polygon");
        MeshShape::new(&area)
    }

    #[test]
    fn a_cell_is_where_the_standard_says() {
        // Tokyo's station: 35 degrees 40 minutes 30 seconds north, 139 45 45 east.
        let tokyo = cell("53394611").expect("a cell");
        let near = |one: f64, other: f64| (one - other).abs() < 1e-7;
        assert!(near(tokyo.min().y, 35.0 + 40.5 / 60.0) && near(tokyo.min().x, 139.7625));
        assert!(near(tokyo.height(), 30.0 / 3_600.0) && near(tokyo.width(), 45.0 / 3_600.0));
        for wrong in ["", "5339461", "533946111", "5339461x", "53398611", "53394811", "00000000"] {
            assert_eq!(cell(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_shape_reaches_a_cell_of_which_it_has_a_part_and_none_that_only_borders_on_it() {
        // Exactly the cell, and a corner of the one north of it.
        let mut exactly =
            shape("35.675,139.7625 35.675,139.775 35.6833333,139.775 35.6833333,139.7625");
        assert_eq!(exactly.reaches("53394611"), Some(true));
        assert_eq!([exactly.reaches("53394621"), exactly.reaches("53394612")], [Some(false); 2]);
        let mut corner = shape("35.682,139.77 35.682,139.771 35.684,139.771 35.684,139.77");
        assert_eq!([corner.reaches("53394611"), corner.reaches("53394621")], [Some(true); 2]);
        let mut around = shape("35,139 35,141 36,141 36,139");
        assert_eq!([around.reaches("53394611"), around.reaches("x")], [Some(true), None]);
        assert_eq!(around.known.len(), 1, "what is no cell takes no memory");
        let mut circle = WarnedArea::default();
        circle.add_circle("35.6791667,139.76875 0.05").expect("a circle");
        let mut circle = MeshShape::new(&circle);
        assert_eq!(
            [circle.reaches("53394611"), circle.reaches("53394610")],
            [Some(true), Some(false)]
        );
    }
}
