//! The drawing: a line for each room, with its name, what it is for, and arrows to those that it uses.
//!
//! ```text
//!     netns     find, check, enter          ──► wire
//! ```

use std::fs;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ARCHITECTURE.md");
const TITLE: &str = "\n## The rooms of the port program\n";
const INSIDE: &str = "\n## Inside the rooms of the port program\n";
const ARROW: &str = "──►";

#[derive(Clone)]
pub struct Line {
    pub room: String,
    uses: Vec<String>,
}

impl Line {
    /// From the room to each that it uses.
    pub fn arrows(self) -> impl Iterator<Item = (String, String)> {
        self.uses.into_iter().map(move |used| (self.room.clone(), used))
    }
}

/// The lines, from the top.
pub fn drawing() -> Vec<Line> {
    let page = fs::read_to_string(PAGE).expect("the page");
    let (_, section) = page.split_once(TITLE).expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let lines: Vec<Line> =
        section.lines().filter_map(|line| line.strip_prefix("    ")).map(line).collect();
    assert!(!lines.is_empty(), "nothing is drawn in {PAGE}");
    lines
}

/// The files that are named under the title of those inside the rooms.
pub fn inside() -> Vec<String> {
    let page = fs::read_to_string(PAGE).expect("the page");
    let (_, section) = page.split_once(INSIDE).expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let lines = section.lines().filter_map(|line| line.strip_prefix("    "));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn line(text: &str) -> Line {
    let (what, uses) = text.split_once(ARROW).unwrap_or((text, ""));
    let room = what.split_whitespace().next().expect("a room begins its line");
    let uses = uses.split(',').map(str::trim).filter(|used| !used.is_empty());
    Line { room: room.to_owned(), uses: uses.map(str::to_owned).collect() }
}
