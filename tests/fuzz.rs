//! Every fuzz target as an ordinary test: over its seeds, over some thousand mutations of them, and over every file of the corpus that is
//! found through `TATTLETALE_CORPUS`. No input may end a target otherwise than by its return.

#[path = "../fuzz/entries.rs"]
mod entries;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use entries::ENTRIES;

#[test]
fn every_target_comes_back_from_its_seeds() {
    for (name, run) in ENTRIES {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for seed in seeds {
            run(&seed);
        }
    }
}

#[test]
fn every_target_comes_back_from_mutated_seeds() {
    for (number, (name, run)) in (1..).zip(ENTRIES) {
        let seeds = seeds(name);
        let mut rng = fastrand::Rng::with_seed(number);
        for _ in 0..MUTATIONS {
            let mut input = rng.choice(&seeds).expect("there are seeds").clone();
            for _ in 0..rng.usize(1..8) {
                mutate(&mut input, &seeds, &mut rng);
            }
            let began = Instant::now();
            run(&input);
            assert!(began.elapsed() < LONGEST, "{name} took {:?} for {} bytes", began.elapsed(), input.len());
        }
    }
}

#[test]
fn every_target_comes_back_from_every_file_of_the_corpus() {
    let Some(files) = corpus() else { return };
    for file in files {
        let bytes = fs::read(&file).expect("readable");
        for (_, run) in ENTRIES {
            run(&bytes);
        }
        // As a body of each type that a request may claim for it.
        for choice in 0..12 {
            entries::body(&[&[choice], bytes.as_slice()].concat());
        }
    }
}

#[test]
fn targets_are_sorted_and_each_has_its_file() {
    assert!(ENTRIES.is_sorted_by(|a, b| a.0 < b.0));
    let targets: Vec<_> =
        fs::read_dir(root().join("targets")).expect("there are targets").map(|file| file.expect("readable").path()).collect();
    assert_eq!(targets.len(), ENTRIES.len());
    for (name, _) in ENTRIES {
        assert!(targets.contains(&root().join(format!("targets/{name}.rs"))), "{name}");
        let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("readable");
        assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name}");
    }
}

/// What libFuzzer does most: bytes changed, put in, taken out, doubled, and pieces of other inputs.
fn mutate(input: &mut Vec<u8>, seeds: &[Vec<u8>], rng: &mut fastrand::Rng) {
    let at = rng.usize(..=input.len());
    match rng.u8(..7) {
        0 if at < input.len() => input[at] = rng.u8(..),
        1 if at < input.len() => input[at] ^= 1 << rng.u8(..8),
        2 => input.insert(at, *rng.choice(b"0129:,;]}[{\"\\%&=\n\xff\x00").expect("not empty")),
        3 => input.truncate(at),
        4 => {
            let end = rng.usize(at..=input.len());
            input.drain(at..end);
        }
        5 if input.len() < 100_000 => {
            let end = rng.usize(at..=input.len());
            let piece = input[at..end].to_vec();
            input.splice(at..at, piece);
        }
        _ => {
            let other = rng.choice(seeds).expect("there are seeds");
            let from = rng.usize(..=other.len());
            input.splice(at..at, other[from..].iter().copied());
        }
    }
}

/// The invented inputs of a target, and the files of its kind that are shipped.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let own = root().join("seeds").join(name);
    let shipped = match name {
        "scenario" => Some(root().join("../scenarios/mifit")),
        "snapshot" => Some(root().join("../snapshots/mifit/simulated")),
        _ => None,
    };
    let folders = [Some(own).filter(|own| own.is_dir()), shipped].into_iter().flatten();
    let mut files: Vec<_> =
        folders.flat_map(|folder| fs::read_dir(folder).expect("readable")).map(|file| file.expect("readable").path()).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).expect("readable")).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// Every file of the corpus; `None`, and a word about it, when there is none.
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn corpus() -> Option<Vec<PathBuf>> {
    let Some(root) = std::env::var_os("TATTLETALE_CORPUS") else {
        eprintln!("skipped: no corpus");
        return None;
    };
    let folders =
        fs::read_dir(root).expect("the corpus is a folder").map(|entry| entry.expect("readable").path()).filter(|path| path.is_dir());
    let mut files: Vec<_> =
        folders.flat_map(|folder| fs::read_dir(folder).expect("readable")).map(|file| file.expect("readable").path()).collect();
    files.sort();
    Some(files)
}

/// Mutated inputs a target.
const MUTATIONS: usize = 700;
/// Far longer than any target needs for what it is given here, in a build without optimisation on a busy machine.
const LONGEST: Duration = Duration::from_secs(30);
