//! Arrays in NumPy's files: `.npy` is one array, `.npz` a zip archive of them.
//!
//! The header of an array is a small dictionary that NumPy has written in the same form since its first version
//! (`numpy.lib.format`); reading those three entries needs no parser of Python, which the crates for this bring.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use super::model::LoadError;

/// An array with more values than this is not one of ours: 64 million, half a gigabyte as f64.
const MOST_VALUES: usize = 1 << 26;

/// An array of numbers, rows one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Its length along each axis; empty for a single number.
    pub shape: Vec<usize>,
    /// All values, the last axis running fastest.
    pub values: Vec<f64>,
}

/// The array in a `.npy` file.
pub fn read_npy(path: &Path) -> Result<Array, LoadError> {
    parse(open(path)?).map_err(|problem| LoadError::WrongFile(format!("{} {problem}", path.display())))
}

/// The array called `name` in a `.npz` file.
pub fn read_npz(path: &Path, name: &str) -> Result<Array, LoadError> {
    let wrong = |problem: String| LoadError::WrongFile(format!("{} {problem}", path.display()));
    let mut archive = ZipArchive::new(open(path)?)
        .map_err(|e| wrong(format!("is no .npz file, a zip archive of arrays: {e}")))?;
    let names: Vec<String> = archive
        .file_names()
        .flatten() // a name that is no text is none of ours
        .map(|n| n.trim_end_matches(".npy").to_owned())
        .collect();
    let array = match archive.by_name(&format!("{name}.npy")) {
        Ok(file) => parse(file),
        Err(ZipError::FileNotFound) => Err(format!(
            "has no array {name:?}, only {}; is it the right file?",
            if names.is_empty() {
                "nothing at all".into()
            } else {
                names.join(", ")
            }
        )),
        Err(e) => Err(format!(
            "has an array {name:?} that cannot be unpacked: {e}; fetch the file again"
        )),
    };
    array.map_err(wrong)
}

fn open(path: &Path) -> Result<File, LoadError> {
    let problem = |e| LoadError::NotFound(format!("{} cannot be opened: {e}", path.display()));
    File::open(path).map_err(problem)
}

/// What went wrong continues a sentence that begins with the file's name.
fn parse(mut file: impl Read) -> Result<Array, String> {
    let cut_short = |e| format!("is cut short or damaged ({e}); fetch the file again");
    let mut start = [0; 8];
    file.read_exact(&mut start).map_err(cut_short)?;
    if start[..6] != *b"\x93NUMPY" {
        return Err("is no array of NumPy (it does not begin with its mark)".into());
    }
    // Version 1 has two bytes for the length of the header, later ones four.
    let mut length = [0; 4];
    file.read_exact(&mut length[..if start[6] == 1 { 2 } else { 4 }])
        .map_err(cut_short)?;
    let mut header = String::new();
    let length = u64::from(u32::from_le_bytes(length));
    (&mut file)
        .take(length.min(1 << 16))
        .read_to_string(&mut header)
        .map_err(cut_short)?;
    let odd = || format!("has a header that is not understood: {header}");
    let (size, value) = decoder(entry(&header, "descr").ok_or_else(odd)?)
        .ok_or_else(|| format!("has values of a kind that is not understood: {header}"))?;
    let is_fortran = entry(&header, "fortran_order")
        .ok_or_else(odd)?
        .starts_with("True");
    let shape = shape(entry(&header, "shape").ok_or_else(odd)?).ok_or_else(odd)?;
    let count = shape.iter().try_fold(1usize, |count, n| count.checked_mul(*n));
    let count = count
        .filter(|count| *count <= MOST_VALUES)
        .ok_or("has more values than fit here")?;
    let mut bytes = Vec::new();
    file.take((count * size) as u64)
        .read_to_end(&mut bytes)
        .map_err(cut_short)?;
    if bytes.len() != count * size {
        return Err(format!(
            "is cut short: {} bytes of values where {} are expected; fetch the file again",
            bytes.len(),
            count * size
        ));
    }
    let mut values: Vec<f64> = bytes.chunks_exact(size).map(value).collect();
    if is_fortran {
        values = rows_first(&shape, &values);
    }
    Ok(Array { shape, values })
}

/// What follows `'name':` in the header.
fn entry<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = header.split_once(&format!("'{name}'"))?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

type Decode = fn(&[u8]) -> f64;

/// Bytes of a value and what makes a number of them, which are given as many.
fn decoder(descr: &str) -> Option<(usize, Decode)> {
    /// The first bytes; there are as many as the size beside the decoder says.
    fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
        bytes.first_chunk().copied().unwrap_or([0; N])
    }
    let known: [(&str, usize, Decode); 8] = [
        ("'<f8'", 8, |b| f64::from_le_bytes(first(b))),
        ("'<f4'", 4, |b| f64::from(f32::from_le_bytes(first(b)))),
        ("'<i8'", 8, |b| i64::from_le_bytes(first(b)) as f64),
        ("'<i4'", 4, |b| f64::from(i32::from_le_bytes(first(b)))),
        ("'|i1'", 1, |b| f64::from(i8::from_le_bytes(first(b)))),
        ("'|u1'", 1, |b| f64::from(u8::from_le_bytes(first(b)))),
        ("'|b1'", 1, |b| f64::from(u8::from_le_bytes(first(b)))),
        ("'<i2'", 2, |b| f64::from(i16::from_le_bytes(first(b)))),
    ];
    let found = known.into_iter().find(|(kind, ..)| descr.starts_with(kind));
    found.map(|(_, size, decode)| (size, decode))
}

/// `(2, 3)`, `(5,)`, `()`
fn shape(text: &str) -> Option<Vec<usize>> {
    let (inside, _) = text.strip_prefix('(')?.split_once(')')?;
    let lengths = inside.split(',').map(str::trim).filter(|n| !n.is_empty());
    lengths.map(|n| n.parse().ok()).collect()
}

/// From columns first (Fortran) to rows first.
fn rows_first(shape: &[usize], values: &[f64]) -> Vec<f64> {
    let place = |mut i: usize| {
        let mut place = 0;
        for (axis, length) in shape.iter().enumerate().rev() {
            let step: usize = shape[..axis].iter().product();
            place += i % length * step;
            i /= length;
        }
        place
    };
    (0..values.len()).map(|i| values[place(i)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(dictionary: &str, values: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((dictionary.len() as u16).to_le_bytes());
        bytes.extend(dictionary.as_bytes());
        bytes.extend(values);
        bytes
    }

    #[track_caller]
    fn check(descr: &str, fortran: &str, shape: &str, bytes: &[u8], expected: (&[usize], &[f64])) {
        let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}    \n");
        let array = parse(&npy(&header, bytes)[..]).unwrap();
        assert_eq!((&array.shape[..], &array.values[..]), expected);
    }

    #[test]
    fn arrays_are_read() {
        let f8: Vec<u8> = [1.5f64, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        check("<f8", "False", "(2,)", &f8, (&[2], &[1.5, -2.0]));
        check("<f4", "False", "()", &0.5f32.to_le_bytes(), (&[], &[0.5]));
        check(
            "<i8",
            "False",
            "(1, 1)",
            &(-7i64).to_le_bytes(),
            (&[1, 1], &[-7.0]),
        );
        check("|i1", "False", "(3,)", &[1, 254, 3], (&[3], &[1.0, -2.0, 3.0]));
        check(
            "|u1",
            "False",
            "(2, 3)",
            &[1, 2, 3, 4, 5, 6],
            (&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        );
        check(
            "|u1",
            "True",
            "(2, 3)",
            &[1, 4, 2, 5, 3, 6],
            (&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        );
        check("|b1", "False", "(0,)", &[], (&[0], &[]));
    }

    #[test]
    fn what_is_no_array_says_so() {
        let header = |descr: &str, shape: &str| {
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n")
        };
        for (bytes, says) in [
            (b"PK".to_vec(), "cut short"),
            (b"RIFF....WAVE".to_vec(), "no array of NumPy"),
            (
                npy(&header("<f8", "(2,)"), &[0; 15]),
                "15 bytes of values where 16",
            ),
            (npy(&header("<U7", "(2,)"), &[0; 56]), "of a kind"),
            (
                npy(&header("<f8", "(99999999999, 99999999999)"), &[]),
                "more values",
            ),
            (npy("{}", &[]), "header"),
        ] {
            let problem = parse(&bytes[..]).unwrap_err();
            assert!(problem.contains(says), "{problem}");
        }
        let error = read_npy(Path::new("no/such/file.npy")).unwrap_err();
        assert!(
            matches!(&error, LoadError::NotFound(text) if text.contains("no/such/file.npy")),
            "{error}"
        );
    }
}
