//! The files of a PLDA as pyannote publishes them (speaker-diarization-community-1, folder `plda`).

use std::path::Path;

use super::model::LoadError;
use super::npy::read_npz;
use crate::speech::diarize::Plda;

/// The transform of the embeddings: `mean1`, `mean2`, `lda`.
const TRANSFORM: &str = "xvec_transform.npz";
/// The PLDA itself: `mu`, `tr`, `psi`.
const PLDA: &str = "plda.npz";

/// Reads the PLDA at `path`: the folder with both files, or one of them, the other being beside it.
pub fn read(path: &Path) -> Result<Plda, LoadError> {
    let is_one_of_them = path
        .file_name()
        .is_some_and(|name| name == TRANSFORM || name == PLDA);
    let folder = match path.parent() {
        Some(parent) if is_one_of_them && !path.is_dir() => parent,
        _ => path,
    };
    if !folder.is_dir() && !folder.as_os_str().is_empty() {
        return Err(LoadError::NotFound(format!(
            "there is no PLDA at {}: give the folder that holds {TRANSFORM} and {PLDA}, or one of the two",
            path.display()
        )));
    }
    let read = |file: &str, name: &str| read_npz(&folder.join(file), name).map(|array| array.values);
    let plda = Plda::new(
        read(TRANSFORM, "mean1")?,
        read(TRANSFORM, "mean2")?,
        read(TRANSFORM, "lda")?,
        read(PLDA, "mu")?,
        read(PLDA, "tr")?,
        read(PLDA, "psi")?,
    );
    plda.map_err(|e| {
        LoadError::WrongFile(format!(
            "{TRANSFORM} and {PLDA} in {} make no PLDA: {e}. Are they of one publication?",
            folder.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// An archive of one-dimensional f64 arrays, the first half stored, the second deflated.
    fn write(path: &Path, arrays: &[(&str, &[f64])]) {
        let mut archive = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
        for (i, (name, values)) in arrays.iter().enumerate() {
            let method = if i % 2 == 0 {
                zip::CompressionMethod::Stored
            } else {
                zip::CompressionMethod::Deflated
            };
            let options = zip::write::SimpleFileOptions::default().compression_method(method);
            archive.start_file(format!("{name}.npy"), options).unwrap();
            let header = format!(
                "{{'descr': '<f8', 'fortran_order': False, 'shape': ({},), }}\n",
                values.len()
            );
            archive.write_all(b"\x93NUMPY\x01\x00").unwrap();
            archive.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
            archive.write_all(header.as_bytes()).unwrap();
            values
                .iter()
                .for_each(|v| archive.write_all(&v.to_le_bytes()).unwrap());
        }
        archive.finish().unwrap();
    }

    fn folder(tr: &[f64]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let transform: [(&str, &[f64]); 3] =
            [("mean1", &[0.0, 0.0]), ("mean2", &[0.0]), ("lda", &[1.0, 2.0])];
        write(&folder.path().join(TRANSFORM), &transform);
        write(
            &folder.path().join(PLDA),
            &[("mu", &[0.5]), ("tr", tr), ("psi", &[3.0])],
        );
        folder
    }

    #[test]
    fn a_folder_or_either_file_will_do() {
        let folder = folder(&[2.0]);
        for path in [
            folder.path().to_owned(),
            folder.path().join(PLDA),
            folder.path().join(TRANSFORM),
        ] {
            let plda = read(&path).unwrap();
            assert_eq!((plda.embedding_dimension(), plda.between()), (2, &[3.0][..]));
        }
    }

    #[track_caller]
    fn check(path: &Path, words: &[&str]) {
        let error = read(path).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{word:?} is not in: {error}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        check(Path::new("no/such/folder"), &["no/such/folder", TRANSFORM, PLDA]);
        let good = folder(&[2.0]);
        check(
            &folder(&[2.0, 1.0]).path().join(PLDA),
            &["\"tr\" has 2 values", "one publication"],
        );
        std::fs::remove_file(good.path().join(PLDA)).unwrap();
        check(good.path(), &[PLDA, "cannot be opened"]);
        std::fs::write(good.path().join(PLDA), b"nothing").unwrap();
        check(good.path(), &[PLDA, "no .npz file"]);
        write(&good.path().join(PLDA), &[("mu", &[0.5])]);
        check(good.path(), &[PLDA, "no array \"tr\"", "only mu"]);
    }
}
