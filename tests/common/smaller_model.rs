//! A model that is a little smaller than the one in the repository, and works: without the last layer of its decoder.

/// Bytes of the first 12 numbers: the magic, and the hyper-parameters.
const HEAD: usize = 48;
/// Which of them says how many layers the decoder has.
const DECODER_LAYERS: usize = 9;
/// Which is followed by the filters' shape.
const NUMBER: usize = 4;

/// Of the ggml file `whole`.
pub fn without_last_layer(whole: &[u8]) -> Vec<u8> {
    let layers = number(whole, DECODER_LAYERS * NUMBER) - 1;
    let dropped = format!("decoder.blocks.{layers}.");
    let mut smaller = whole[..HEAD].to_vec();
    smaller[DECODER_LAYERS * NUMBER..][..NUMBER].copy_from_slice(&(layers as i32).to_le_bytes());
    let filters = 2 * NUMBER + number(whole, HEAD) * number(whole, HEAD + NUMBER) * size_of::<f32>();
    let mut at = HEAD + filters;
    let tokens = number(whole, at);
    at += NUMBER;
    for _ in 0..tokens {
        at += NUMBER + number(whole, at);
    }
    smaller.extend(&whole[HEAD..at]);
    while at < whole.len() {
        let [dimensions, name, kind] = [0, 1, 2].map(|n| number(whole, at + n * NUMBER));
        let shape = at + 3 * NUMBER;
        let elements: usize = (0..dimensions)
            .map(|n| number(whole, shape + n * NUMBER))
            .product();
        let begin = shape + dimensions * NUMBER;
        let end = begin + name + bytes(kind, elements);
        if !whole[begin..].starts_with(dropped.as_bytes()) {
            smaller.extend(&whole[at..end]);
        }
        at = end;
    }
    smaller
}

fn number(file: &[u8], at: usize) -> usize {
    u32::from_le_bytes(file[at..at + NUMBER].try_into().unwrap()) as usize
}

/// Of a tensor of these kinds: f32, f16, q5_0.
fn bytes(kind: usize, elements: usize) -> usize {
    match kind {
        0 => elements * 4,
        1 => elements * 2,
        6 => elements / 32 * 22,
        other => panic!("a tensor of the kind {other}"),
    }
}
