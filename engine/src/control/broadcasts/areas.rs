//! The catalogue of areas: loaded by an operator, looked into, and asked which areas a shape
//! reaches and whom that would be.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::sync::{Arc, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Receiver;

use super::desk::BroadcastDesk;
use super::handling::{Answer, Desk, beside};
use super::lists::Piece;
use super::loaded::AreasLoaded;
use super::refusal::{AREA, BroadcastRefusal, refused};
use super::shelf::Part;
use super::sight::XpidSight;
use super::uploading::upload;
use crate::broadcast::areas::features::{FeatureError, FeatureNames, FeatureReader};
use crate::broadcast::areas::shapes::touched;
use crate::broadcast::areas::{AreaCatalogue, AreaDocument, RowsByArea, UnknownArea};
use crate::broadcast::limits::{
    AREAS_MAX, FEATURE_OCTETS_MAX, FEATURES_OCTETS_MAX, MATCHED_LISTS_MAX,
};
use crate::control::admin::reply::{AdminError, reply_json};
use crate::control::admin::{Caller, Document, Parameters};
use crate::control::audit::Act;
use host::clock;
use wire::cap::area::Area as WarnedArea;
use wire::terms::calendar;

/// What a shape is asked to reach.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MatchWanted {
    /// Areas by code or alias.
    pub codes: Vec<String>,
    /// `lat,lon lat,lon …`, closed or not.
    pub polygons: Vec<String>,
    /// `lat,lon radius` in kilometres.
    pub circles: Vec<String>,
    /// Only areas that are covered to this share, above 0 to 1.
    pub covers: Option<f64>,
    /// Lists whose rows are counted.
    pub lists: Vec<String>,
}

/// An area that is reached.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MatchedArea {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// The share of it that the shape covers; 1 where it was named.
    pub share: f64,
    /// How many rows each list has there, in the order of the lists.
    pub rows: Vec<u64>,
}

/// What is reached.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MatchDocument {
    /// The areas, in the order of their codes.
    pub areas: Vec<MatchedArea>,
    /// How many rows each list has in all of them, in the order of the lists.
    pub rows: Vec<u64>,
    /// What was odd in the shapes.
    pub warnings: Vec<String>,
}

/// The routes of the catalogue.
pub(super) fn router(desk: Arc<BroadcastDesk>) -> Router {
    Router::new()
        .route("/areas", get(show).put(load))
        .route("/areas/match", post(match_areas))
        .with_state(desk)
}

/// What is looked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AreasQuery {
    /// A code, an alias, or a part of a name.
    find: Option<String>,
}

async fn show(State(desk): Desk, Parameters(query): Parameters<AreasQuery>) -> Answer {
    let found = beside(desk, move |desk| Ok(desk.areas(query.find.as_deref()))).await?;
    Ok(reply_json(StatusCode::OK, &found))
}

/// Which properties say what.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoadQuery {
    code: Option<String>,
    name: Option<String>,
}

async fn load(
    State(desk): Desk,
    caller: Caller,
    Parameters(query): Parameters<LoadQuery>,
    body: Body,
) -> Answer {
    let standard = FeatureNames::default();
    let names = FeatureNames {
        code: query.code.unwrap_or(standard.code),
        name: query.name.unwrap_or(standard.name),
    };
    caller.record(Act::new("areas load begins")).await?;
    let by = caller.name.clone();
    let work = move |pieces| desk.load_areas(names, pieces, &by);
    let loaded = upload("hayauma-areas", body, work).await?;
    caller.note(Act::new("areas load ends").after(&loaded)).await?;
    Ok(reply_json(StatusCode::CREATED, &loaded))
}

async fn match_areas(
    State(desk): Desk,
    caller: Caller,
    Document(wanted): Document<MatchWanted>,
) -> Result<Response, BroadcastRefusal> {
    let line = Act::new("areas match");
    caller.record(line).await?;
    let sight = XpidSight::of(&caller);
    let found = beside(desk, move |desk| desk.match_areas(&wanted, &sight)).await?;
    Ok(reply_json(StatusCode::OK, &found))
}

fn unknown_area(place: String, unknown: &UnknownArea) -> BroadcastRefusal {
    BroadcastRefusal { place: Some(place), ..refused(AREA, unknown.to_string()) }
}

impl BroadcastDesk {
    /// The catalogue at this moment.
    pub fn catalogue(&self) -> Arc<AreaCatalogue> {
        Arc::clone(&self.catalogue.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn areas(&self, find: Option<&str>) -> Vec<AreaDocument> {
        let catalogue = self.catalogue();
        let wanted = find.map(|text| (text.to_owned(), catalogue.resolve(text)));
        let is_wanted = |code: &str| match &wanted {
            None => true,
            Some((_, Ok(codes))) => codes.iter().any(|known| known == code),
            Some((text, Err(_))) => {
                let area = catalogue.get(code);
                area.is_some_and(|area| {
                    area.name.contains(text.as_str())
                        || area.names.values().any(|name| name.contains(text.as_str()))
                })
            }
        };
        let codes = catalogue.all().map(|(code, _)| code).filter(|code| is_wanted(code));
        codes.filter_map(|code| catalogue.document(code)).collect()
    }

    /// Takes a file of areas in the place of the one before. What is cut off changes nothing.
    fn load_areas(
        &self,
        names: FeatureNames,
        pieces: Receiver<Piece>,
        by: &str,
    ) -> Result<AreasLoaded, BroadcastRefusal> {
        let folder = self.shelf.areas();
        self.shelf.make(&folder)?;
        let file = format!("areas-{}.geojsonl", clock::unix_ms());
        let part = Part::of(&folder.join(&file))?;
        let reader = read_pieces(names.clone(), pieces, &mut BufWriter::new(&part.file))?;
        part.file.sync_all()?;
        let (features, without_code) = (reader.taken, reader.without_code);
        let catalogue = reader.finish().map_err(|error| wrong(&error))?;
        part.keep()?;
        let loaded = AreasLoaded {
            file: file.clone(),
            code_property: names.code,
            name_property: names.name,
            features,
            without_code,
            areas: catalogue.len(),
            by: by.to_owned(),
            at: calendar::jst_text(clock::unix_ms()),
        };
        let before: Option<AreasLoaded> = self.shelf.areas_loaded()?;
        self.shelf.keep_areas_loaded(&loaded)?;
        *self.catalogue.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalogue);
        if let Some(before) = before.filter(|before| before.file != file) {
            // A file that stays costs room and nothing else.
            let _ = fs::remove_file(folder.join(before.file));
        }
        Ok(loaded)
    }

    fn match_areas(
        &self,
        wanted: &MatchWanted,
        sight: &XpidSight,
    ) -> Result<MatchDocument, BroadcastRefusal> {
        let catalogue = self.catalogue();
        let (shape, warnings) = shape_of(wanted)?;
        let mut found: Vec<(String, f64)> = Vec::new();
        for (at, code) in wanted.codes.iter().enumerate() {
            let resolved = catalogue.resolve(code);
            let resolved = resolved.map_err(|none| unknown_area(format!("/codes/{at}"), &none))?;
            found.extend(resolved.into_iter().map(|code| (code, 1.0)));
        }
        let reached = touched(&catalogue, &shape, wanted.covers)
            .map_err(|dear| refused(AREA, dear.to_string()))?;
        found.extend(reached.into_iter().map(|one| (one.code, one.share)));
        found.sort_by(|one, other| one.0.cmp(&other.0).then(other.1.total_cmp(&one.1)));
        found.dedup_by(|one, other| one.0 == other.0);
        let lists = self.rows_of_lists(&catalogue, &wanted.lists, sight)?;
        let count = |codes: &[String]| -> Result<Vec<u64>, BroadcastRefusal> {
            let counted = lists.iter().map(|rows| catalogue.count(codes, rows));
            let counted = counted.collect::<Result<Vec<u64>, _>>();
            counted.map_err(|(_, none)| unknown_area("/codes".to_owned(), &none))
        };
        let codes: Vec<String> = found.iter().map(|(code, _)| code.clone()).collect();
        let rows = count(&codes)?;
        let mut areas = Vec::with_capacity(found.len());
        for (code, share) in found {
            let name = catalogue.name(&code, "").unwrap_or_default().to_owned();
            let rows = count(std::slice::from_ref(&code))?;
            areas.push(MatchedArea { code, name, share, rows });
        }
        Ok(MatchDocument { areas, rows, warnings })
    }

    fn rows_of_lists(
        &self,
        catalogue: &AreaCatalogue,
        lists: &[String],
        sight: &XpidSight,
    ) -> Result<Vec<RowsByArea>, BroadcastRefusal> {
        let mut found = Vec::with_capacity(lists.len());
        for list in lists {
            self.see_list(sight, list)?;
            let version = self.open_version(None, list, None)?;
            found.push(catalogue.rows(version.pinned()?.view.areas()));
        }
        Ok(found)
    }
}

fn wrong(error: &FeatureError) -> BroadcastRefusal {
    AdminError::bad_request(format!("{error}; nothing was changed")).into()
}

/// The shapes of a request, and what was odd in them.
fn shape_of(wanted: &MatchWanted) -> Result<(WarnedArea, Vec<String>), BroadcastRefusal> {
    let refuse = |place: &str, sentence: String| BroadcastRefusal {
        place: Some(place.to_owned()),
        ..refused(AREA, sentence)
    };
    if wanted.codes.is_empty() && wanted.polygons.is_empty() && wanted.circles.is_empty() {
        return Err(refuse("", "name codes, polygons or circles: none is nowhere".to_owned()));
    }
    if wanted.codes.len() > AREAS_MAX || wanted.lists.len() > MATCHED_LISTS_MAX {
        let sentence = format!("give at most {AREAS_MAX} codes and {MATCHED_LISTS_MAX} lists");
        return Err(refuse("", sentence));
    }
    if wanted.covers.is_some_and(|share| !(share > 0.0 && share <= 1.0)) {
        return Err(refuse("/covers", "give a share above 0, to 1".to_owned()));
    }
    let (mut shape, mut warnings) = (WarnedArea::default(), Vec::new());
    for (at, polygon) in wanted.polygons.iter().enumerate() {
        let odd = shape.add_polygon(polygon).map_err(|why| refuse(&format!("/polygons/{at}"), why));
        warnings.extend(odd?.into_iter().map(str::to_owned));
    }
    for (at, circle) in wanted.circles.iter().enumerate() {
        shape.add_circle(circle).map_err(|why| refuse(&format!("/circles/{at}"), why))?;
    }
    Ok((shape, warnings))
}

/// Reads a file that comes in pieces, and writes it down as it comes.
fn read_pieces(
    names: FeatureNames,
    mut pieces: Receiver<Piece>,
    copy: &mut BufWriter<&File>,
) -> Result<FeatureReader, BroadcastRefusal> {
    let mut reader = FeatureReader::new(names);
    let (mut line, mut octets_taken) = (Vec::new(), 0u64);
    loop {
        let octets = match pieces.blocking_recv() {
            Some(Piece::Octets(octets)) => octets,
            Some(Piece::End) => break,
            None => {
                let sentence = "the areas were cut off, and nothing was changed: send them again";
                return Err(AdminError::bad_request(sentence).into());
            }
        };
        octets_taken += octets.len() as u64;
        if octets_taken > FEATURES_OCTETS_MAX {
            let mebibytes = FEATURES_OCTETS_MAX >> 20;
            return Err(AdminError::bad_request(format!(
                "the areas are longer than {mebibytes} MiB: simplify their boundaries"
            ))
            .into());
        }
        copy.write_all(&octets)?;
        let mut rest = &octets[..];
        while let Some(at) = memchr::memchr(b'\n', rest) {
            line.extend_from_slice(&rest[..at]);
            reader.take(&line).map_err(|error| wrong(&error))?;
            line.clear();
            rest = &rest[at + 1..];
        }
        line.extend_from_slice(rest);
        // A line that never ends is refused before it is all there.
        if line.len() > FEATURE_OCTETS_MAX {
            reader.take(&line).map_err(|error| wrong(&error))?;
        }
    }
    reader.take(&line).map_err(|error| wrong(&error))?;
    copy.flush()?;
    Ok(reader)
}
