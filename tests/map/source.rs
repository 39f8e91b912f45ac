//! Who uses whom, by the paths that are in the sources.
//!
//! All packages are one tree here: the rooms of the port program, and `client` and `repl` beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders of the packages, and the names by which others know them.
const PACKAGES: [(&str, &str); 3] = [
    ("src", "linx_netlink_port"),
    ("client/src", "linx_netlink_client"),
    ("repl/src", "linx_netlink_repl"),
];

/// A module by its names, from the top of the tree.
type Module = Vec<String>;

/// Who uses whom among neighbours, and a pair of files that shows it.
pub type Arrows = BTreeMap<(String, String), Files>;

/// A file, and one that it uses.
pub struct Files {
    using: String,
    used: String,
}

impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} uses {}", self.using, self.used)
    }
}

pub struct Tree {
    files: Vec<Source>,
}

struct Source {
    file: String,
    module: Module,
    text: String,
    /// What is named in it, wherever in the tree that is.
    names: Vec<Module>,
}

impl Tree {
    pub fn read() -> Tree {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        let mut passed_on = BTreeMap::new();
        for (folder, _) in PACKAGES {
            for path in rust_files(&root.join(folder)) {
                let file = path.strip_prefix(root).expect("below the root").to_str();
                let file = file.expect("a name in UTF-8").to_owned();
                let within = path.strip_prefix(root.join(folder)).expect("below its folder");
                let module = [package(folder), module(within)].concat();
                let text = fs::read_to_string(&path).expect("a source");
                let tokens = tokens(&text);
                let names = names(&tokens, &package(folder), &module);
                passed_on.extend(self::passed_on(&tokens, &module));
                files.push(Source { file, module, text, names });
            }
        }
        for source in &mut files {
            source.names.iter_mut().for_each(|name| *name = behind(name, &passed_on));
        }
        Tree { files }
    }

    /// The rooms: what is at the top of the tree.
    pub fn rooms(&self) -> BTreeSet<String> {
        self.files.iter().filter_map(|source| source.module.first().cloned()).collect()
    }

    /// Where a room is.
    pub fn place(&self, room: &str) -> String {
        let mut files =
            self.files.iter().filter(|it| it.module.first().is_some_and(|it| it == room));
        match (files.next(), files.next()) {
            (Some(only), None) => only.file.clone(),
            _ if package("client/src") == [room] || package("repl/src") == [room] => {
                room.to_owned()
            }
            _ => format!("src/{room}"),
        }
    }

    /// Every module that has others in it.
    pub fn floors(&self) -> BTreeSet<Module> {
        self.files.iter().filter_map(|it| Some(it.module.split_last()?.1.to_vec())).collect()
    }

    /// The arrows between the modules right below this one.
    pub fn arrows(&self, floor: &[String]) -> Arrows {
        let below = |module: &[String]| module.strip_prefix(floor)?.first().cloned();
        let mut arrows = Arrows::new();
        for source in &self.files {
            let Some(from) = below(&source.module) else { continue };
            for name in &source.names {
                let Some(to) = below(name) else { continue };
                if let Some(used) = self.file_of(name, floor.len()).filter(|_| to != from) {
                    let files = Files { using: source.file.clone(), used: used.to_owned() };
                    arrows.entry((from.clone(), to)).or_insert(files);
                }
            }
        }
        arrows
    }

    /// The file of the module that a name is in; none where that is no further down than `depth`.
    fn file_of(&self, name: &[String], depth: usize) -> Option<&str> {
        let lengths = (depth + 1..=name.len()).rev();
        let mut modules = lengths.map(|length| &name[..length]);
        modules.find_map(|module| {
            let source = self.files.iter().find(|source| source.module == module)?;
            Some(source.file.as_str())
        })
    }

    /// The files in which this stands.
    pub fn files_with(&self, text: &'static str) -> impl Iterator<Item = &str> {
        let files = self.files.iter().filter(move |source| source.text.contains(text));
        files.map(|source| source.file.as_str())
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|it| it == "rs"));
    let mut all: Vec<PathBuf> =
        files.chain(folders.iter().flat_map(|folder| rust_files(folder))).collect();
    all.sort();
    all
}

/// The port program's rooms are at the top; the other packages are a room each.
fn package(folder: &str) -> Module {
    folder.strip_suffix("/src").map(str::to_owned).into_iter().collect()
}

/// The module that a file is, in its package. A `main.rs` beside other rooms is one.
fn module(within: &Path) -> Module {
    let names = within.with_extension("");
    let mut names: Module = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if names.last().is_some_and(|name| name == "mod" || name == "lib") {
        names.pop();
    }
    names
}

/// Names, `::`, and what else there is by single characters; no comments.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    for line in text.lines() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next().filter(|_| !rest.starts_with("//")) {
            let is_name = |c: char| c.is_alphanumeric() || c == '_';
            let length = match rest.find(|c| !is_name(c)) {
                _ if rest.starts_with("::") => 2,
                Some(0) => first.len_utf8(),
                Some(length) => length,
                None => rest.len(),
            };
            tokens.push(&rest[..length]);
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// Everything in the tree that the tokens of a module name.
fn names(tokens: &[&str], package: &[String], module: &[String]) -> Vec<Module> {
    let mut names = Vec::new();
    let mut at = 0;
    while at + 1 < tokens.len() {
        let other = PACKAGES.iter().find(|(_, name)| *name == tokens[at]);
        let start = match (tokens[at], other) {
            ("crate", _) => Some(package.to_vec()),
            ("super", _) => Some(parent(module)),
            ("self", _) => Some(module.to_vec()),
            (_, Some((folder, _))) => Some(self::package(folder)),
            _ => None,
        };
        at += 1;
        if let Some(start) = start.filter(|_| tokens[at] == "::") {
            at = follow(tokens, at + 1, start, &mut names);
        }
    }
    names
}

/// What a module passes on of the modules in it, `pub use`, and where that really is.
fn passed_on(tokens: &[&str], module: &[String]) -> BTreeMap<Module, Module> {
    let mut names = Vec::new();
    for (at, _) in tokens.windows(2).enumerate().filter(|(_, pair)| **pair == ["pub", "use"]) {
        follow(tokens, at + 2, module.to_vec(), &mut names);
    }
    let here = |name: &Module| Some([module, std::slice::from_ref(name.last()?)].concat());
    names.into_iter().filter_map(|name| Some((here(&name)?, name))).collect()
}

/// The name of something where it really is, and not where it was passed on.
fn behind(name: &Module, passed_on: &BTreeMap<Module, Module>) -> Module {
    let found = (1..=name.len()).rev().find_map(|length| {
        let (there, rest) = name.split_at(length);
        Some([passed_on.get(there)?, rest].concat())
    });
    found.unwrap_or_else(|| name.clone())
}

/// Follows a path from `start`, into every branch of its braces; returns where it ends.
fn follow(tokens: &[&str], mut at: usize, mut path: Module, names: &mut Vec<Module>) -> usize {
    loop {
        match tokens.get(at) {
            Some(&"{") => {
                while tokens.get(at).is_some_and(|token| *token != "}") {
                    at = follow(tokens, at + 1, path.clone(), names);
                }
                return at + 1;
            }
            Some(&"super") => path = parent(&path),
            Some(name) if name.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                path.push((*name).to_owned());
            }
            _ => break,
        }
        at += 1;
        if tokens.get(at) != Some(&"::") {
            break;
        }
        at += 1;
    }
    // What it is called here is no part of it.
    if tokens.get(at) == Some(&"as") {
        at += 2;
    }
    names.push(path);
    at
}

fn parent(module: &[String]) -> Module {
    module.split_last().map(|(_, parent)| parent.to_vec()).unwrap_or_default()
}
