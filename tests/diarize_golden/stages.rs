//! One stage at a time: the reference's input in, the reference's output out.

use gstscribe::infer::npy::read_npy;
use gstscribe::speech::diarize::cluster::{VbxConfig, Voices, centroid_linkage, vbx};
use gstscribe::speech::diarize::{Assigner, Powerset};

use crate::fixtures::{Clip, GEOMETRY, KEPT, check_close, fixture, plda};

#[test]
fn powersets_are_decoded() {
    for (speakers, most) in [
        (2, 1),
        (2, 2),
        (3, 1),
        (3, 2),
        (3, 3),
        (4, 1),
        (4, 2),
        (4, 3),
        (4, 4),
    ] {
        let Some(path) = fixture(&format!("speakrs/powerset_mapping_{speakers}_{most}.npy")) else {
            return;
        };
        let mapping = read_npy(&path).unwrap();
        let powerset = Powerset::new(speakers, most);
        assert_eq!(powerset.classes(), mapping.shape[0]);
        for (class, row) in mapping.values.chunks(speakers).enumerate() {
            let mut logits = vec![0.0; powerset.classes()];
            logits[class] = 1.0;
            let ours: Vec<f64> = powerset
                .hard(&logits)
                .values
                .iter()
                .map(|v| f64::from(*v))
                .collect();
            assert_eq!(ours, row, "{speakers} {most}");
        }
    }
    let read = |name: &str| read_npy(&fixture(name).unwrap()).unwrap();
    let logits: Vec<f32> = read("speakrs/powerset_input_logits.npy")
        .values
        .iter()
        .map(|v| *v as f32)
        .collect();
    let ours: Vec<f64> = Powerset::new(3, 2)
        .hard(&logits)
        .values
        .iter()
        .map(|v| f64::from(*v))
        .collect();
    assert_eq!(ours, read("speakrs/powerset_hard_output.npy").values);
}

#[test]
fn voices_to_be_clustered_are_those_heard_alone() {
    for clip in Clip::all() {
        let mut ours = Vec::new();
        for (window, activity) in clip.windows().activities().iter().enumerate() {
            let heard = (0..3).filter(|s| activity.clean_frames(*s) as f64 >= 0.2 * GEOMETRY.frames as f64);
            ours.extend(heard.map(|s| (window, s)));
        }
        assert_eq!(ours, clip.training());
    }
}

#[test]
fn agglomerative_clusters_are_numbered_alike() {
    for clip in Clip::all() {
        let windows = clip.windows();
        let training = clip.training();
        let (voices, kept) = Voices::new(training.iter().map(|(w, s)| &windows.embeddings[*w][*s][..]));
        assert_eq!(kept.len(), training.len());
        let threshold = clip.array("ahc_state", "threshold").values[0];
        let clusters = centroid_linkage(&voices.points(0..voices.len()), 1).cut(threshold);
        let theirs = read_npy(&clip.0.join("ahc_init_labels.npy")).unwrap();
        let ours: Vec<f64> = clusters.iter().map(|c| *c as f64).collect();
        assert_eq!(ours, theirs.values);
    }
}

#[test]
fn the_plda_projects_alike_up_to_signs() {
    let Some(plda) = plda() else { return };
    for clip in Clip::all() {
        let windows = clip.windows();
        let training = clip.training();
        let rows = || training.iter().map(|(w, s)| &windows.embeddings[*w][*s]);
        let white: Vec<f64> = rows().flat_map(|e| plda.whiten(e)).collect();
        check_close(
            "x-vector transform",
            &white,
            &clip.array("plda_embeddings", "post_xvec").values,
            1e-6,
        );
        let mut ours: Vec<f64> = rows().flat_map(|e| plda.project(e)).collect();
        let theirs = clip.array("plda_embeddings", "post_plda").values;
        let axes = plda.between().len();
        // Each axis of theirs may point the other way, in all embeddings alike.
        for axis in 0..axes {
            let product: f64 = (axis..ours.len())
                .step_by(axes)
                .map(|i| ours[i] * theirs[i])
                .sum();
            (axis..ours.len())
                .step_by(axes)
                .for_each(|i| ours[i] *= product.signum());
        }
        check_close("PLDA", &ours, &theirs, 1e-6);
        check_close(
            "phi",
            plda.between(),
            &clip.array("plda_embeddings", "phi").values,
            1e-9,
        );
    }
}

#[test]
fn vbx_takes_the_same_steps() {
    for clip in Clip::all() {
        let features = clip.array("plda_embeddings", "post_plda").values;
        let phi = clip.array("plda_embeddings", "phi").values;
        let start = read_npy(&clip.0.join("ahc_init_labels.npy")).unwrap().values;
        let start: Vec<usize> = start.iter().map(|c| *c as usize).collect();
        let config = VbxConfig::default();
        assert_eq!(config.fa, clip.array("vbx_state", "fa").values[0]);
        assert_eq!(config.fb, clip.array("vbx_state", "fb").values[0]);
        assert_eq!(
            config.iterations as f64,
            clip.array("vbx_state", "max_iters").values[0]
        );
        let posterior = vbx(features, &phi, &start, &config);
        check_close(
            "ELBO",
            &posterior.elbo,
            &clip.array("vbx_state", "elbo_trajectory").values,
            1e-8,
        );
        check_close(
            "shares",
            &posterior.shares,
            &clip.array("vbx_state", "sp_final").values,
            1e-9,
        );
        let ours: Vec<f64> = (0..start.len())
            .flat_map(|i| posterior.responsibilities(i))
            .collect();
        check_close(
            "responsibilities",
            &ours,
            &clip.array("vbx_state", "q_final").values,
            1e-9,
        );
    }
    let read =
        |name: &str| fixture(&format!("speakrs/pipeline_{name}.npy")).map(|p| read_npy(&p).unwrap().values);
    let (Some(features), Some(phi), Some(start)) =
        (read("plda_features"), read("plda_phi"), read("ahc_clusters"))
    else {
        return;
    };
    let start: Vec<usize> = start.iter().map(|c| *c as usize).collect();
    let posterior = vbx(features, &phi, &start, &VbxConfig::default());
    check_close(
        "speakrs' shares",
        &posterior.shares,
        &read("vbx_pi").unwrap(),
        1e-9,
    );
    let ours: Vec<f64> = (0..start.len())
        .flat_map(|i| posterior.responsibilities(i))
        .collect();
    check_close(
        "speakrs' responsibilities",
        &ours,
        &read("vbx_gamma").unwrap(),
        1e-9,
    );
}

#[test]
fn centroids_and_assignments_are_those_of_the_reference() {
    for clip in Clip::all() {
        let windows = clip.windows();
        let training = clip.training();
        let shares = clip.array("vbx_state", "sp_final").values;
        let responsibilities = clip.array("vbx_state", "q_final").values;
        let mut centroids = Vec::new();
        for s in (0..shares.len()).filter(|s| shares[*s] > KEPT) {
            let weight: f64 = responsibilities.iter().skip(s).step_by(shares.len()).sum();
            let mut centroid = vec![0.0; 256];
            for (i, (w, l)) in training.iter().enumerate() {
                let share = responsibilities[i * shares.len() + s] / weight;
                let voice = windows.embeddings[*w][*l].iter();
                centroid
                    .iter_mut()
                    .zip(voice)
                    .for_each(|(sum, x)| *sum += share * f64::from(*x));
            }
            centroids.push(centroid);
        }
        let theirs = clip.array("clustering", "centroids").values;
        check_close("centroids", &centroids.concat(), &theirs, 1e-9);
        let assigner = Assigner::new(&centroids, true);
        let soft = clip.array("clustering", "soft_clusters").values;
        let hard = clip.array("clustering", "hard_clusters").values;
        for (w, activity) in windows.activities().iter().enumerate() {
            let voices: Vec<Option<&[f32]>> = (0..3)
                .map(|s| activity.is_active(s).then_some(&windows.embeddings[w][s][..]))
                .collect();
            for (s, voice) in voices.iter().enumerate() {
                let Some(voice) = voice else { continue };
                let ours: Vec<f64> = assigner
                    .similarities(voice)
                    .unwrap()
                    .iter()
                    .map(|x| x + 1.0)
                    .collect();
                let at = (w * 3 + s) * centroids.len();
                assert!(
                    ours.iter().zip(&soft[at..]).all(|(a, b)| (a - b).abs() < 1e-6),
                    "window {w}"
                );
            }
            let ours = assigner
                .assign(&voices)
                .into_iter()
                .map(|k| k.map_or(-2.0, |k| k as f64));
            let ours: Vec<f64> = ours.collect();
            let theirs = &hard[w * 3..w * 3 + 3];
            for (s, voice) in voices.iter().enumerate() {
                // Where there are speakers left, the reference gives them to the silent too, and takes them away later.
                assert_eq!(
                    ours[s],
                    if voice.is_some() { theirs[s] } else { -2.0 },
                    "window {w}"
                );
            }
        }
    }
}
