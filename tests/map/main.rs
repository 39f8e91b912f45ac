//! docs/ARCHITECTURE.md draws which room uses which. Is it so?

mod drawing;
mod packages;
mod source;

use drawing::drawing;
use source::{Arrows, Tree};
use std::fs;
use std::path::Path;

/// Everything that is wrong, line by line.
fn fail_with(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_room_is_drawn_and_every_drawn_room_is_there() {
    let tree = Tree::read();
    let drawn: Vec<String> = drawing().into_iter().map(|line| line.room).collect();
    let mut wrong = Vec::new();
    for room in tree.rooms().iter().filter(|room| !drawn.contains(room)) {
        wrong.push(format!("{}: docs/ARCHITECTURE.md does not draw this room", tree.place(room)));
    }
    for room in drawn.iter().filter(|room| !tree.rooms().contains(*room)) {
        wrong.push(format!("docs/ARCHITECTURE.md draws {room}, which is in no folder"));
    }
    fail_with(&wrong);
}

#[test]
fn every_arrow_is_drawn_and_every_drawn_arrow_is_there() {
    let tree = Tree::read();
    let real = tree.arrows(&[]);
    let drawn: Vec<(String, String)> =
        drawing().into_iter().flat_map(drawing::Line::arrows).collect();
    let mut wrong = Vec::new();
    for ((from, to), files) in real.iter().filter(|(arrow, _)| !drawn.contains(arrow)) {
        wrong.push(format!("{files}: docs/ARCHITECTURE.md draws no arrow from {from} to {to}"));
    }
    for (from, to) in drawn.iter().filter(|arrow| !real.contains_key(arrow)) {
        let (using, used) = (tree.place(from), tree.place(to));
        wrong.push(format!(
            "docs/ARCHITECTURE.md draws {from} ──► {to}, and nothing in {using} uses {used}"
        ));
    }
    fail_with(&wrong);
}

#[test]
fn every_drawn_arrow_points_down() {
    let lines = drawing();
    let height = |room: &str| lines.iter().position(|line| line.room == room);
    let mut wrong = Vec::new();
    for (from, to) in lines.clone().into_iter().flat_map(drawing::Line::arrows) {
        if height(&to) <= height(&from) {
            wrong.push(format!("docs/ARCHITECTURE.md draws {from} ──► {to}, which points up"));
        }
    }
    fail_with(&wrong);
}

#[test]
fn nothing_uses_what_uses_it() {
    let tree = Tree::read();
    let mut wrong = Vec::new();
    for floor in tree.floors() {
        let arrows = tree.arrows(&floor);
        for (from, to) in arrows.keys() {
            if let Some(back) = way(&arrows, to, from) {
                let files = |arrow| arrows[arrow].to_string();
                let there = (from.clone(), to.clone());
                let circle: Vec<String> = std::iter::once(&there).chain(&back).map(files).collect();
                wrong.push(circle.join(", and "));
            }
        }
    }
    fail_with(&wrong);
}

/// The arrows that lead from one to another, if any do.
fn way(arrows: &Arrows, from: &str, to: &str) -> Option<Vec<(String, String)>> {
    let mut ways = vec![(from.to_owned(), Vec::new())];
    let mut seen = Vec::new();
    while let Some((here, walked)) = ways.pop() {
        if here == to {
            return Some(walked);
        }
        if seen.contains(&here) {
            continue;
        }
        for arrow in arrows.keys().filter(|(from, _)| *from == here) {
            ways.push((arrow.1.clone(), [&walked[..], std::slice::from_ref(arrow)].concat()));
        }
        seen.push(here);
    }
    None
}

#[test]
fn no_file_is_taken_from_elsewhere() {
    let tree = Tree::read();
    let taken: Vec<&str> = tree.files_with("#[path").collect();
    assert!(taken.is_empty(), "{taken:?} hide whose code they use");
}

#[test]
fn every_file_of_the_port_program_says_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    // By the folder and the name; a folder by its own and the one above it. Rooms are drawn elsewhere.
    let name = |path: &Path| path.file_stem().map(|it| it.to_string_lossy().into_owned());
    let mut there: Vec<String> = files
        .iter()
        .map(|file| if file.ends_with("mod.rs") { file.parent().unwrap_or(file) } else { file })
        .filter_map(|file| Some(format!("{}/{}", name(file.parent()?)?, name(file)?)))
        .filter(|it| !it.starts_with("src/"))
        .collect();
    let mut said = drawing::inside();
    there.sort();
    said.sort();
    assert_eq!(said, there);
}
