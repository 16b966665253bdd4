use gst::prelude::*;
use gst_audio::{AudioInfo, AudioFormat};
use gstscribe::infer::audio_convert::AudioConvert;
use rubato::{Fft, FixedSync, Resampler, audioadapter_buffers::direct::SequentialSlice, WindowFunction as W};
type R = Box<dyn Resampler<f32>>;

fn resample(r: &mut R, mono: &[f32]) -> Vec<f32> {
    let mut out = vec![]; let mut i = 0;
    let d = r.output_delay();
    while i < mono.len() {
        let ni = r.input_frames_next(); let no = r.output_frames_next();
        if i + ni > mono.len() { break; }
        let mut o = vec![0f32; no];
        let (_, made) = r.process_into_buffer(&SequentialSlice::new(&mono[i..i+ni],1,ni).unwrap(), &mut SequentialSlice::new_mut(&mut o,1,no).unwrap(), None).unwrap();
        out.extend_from_slice(&o[..made]); i += ni;
    }
    out.drain(..d); out
}
// (gain dB at f, residual dB re tone)
fn fit(y: &[f32], f: f64, rate: f64) -> (f64, f64, f64) {
    let y = &y[y.len()/4..y.len()*3/4];
    let off = 0.0;
    let (mut cc,mut ss,mut cs,mut yc,mut ys)=(0.,0.,0.,0.,0.);
    let n0 = 0usize;
    for (i,&v) in y.iter().enumerate() { let p=2.0*std::f64::consts::PI*f*((i+n0) as f64+off)/rate; let (s,c)=p.sin_cos(); let v=v as f64; cc+=c*c; ss+=s*s; cs+=c*s; yc+=v*c; ys+=v*s; }
    let det=cc*ss-cs*cs; let (a,b)= if det.abs()>1e-9 {((yc*ss-ys*cs)/det,(ys*cc-yc*cs)/det)} else {(0.,0.)};
    let mut res=0.; let mut tot=0.;
    for (i,&v) in y.iter().enumerate() { let p=2.0*std::f64::consts::PI*f*(i as f64)/rate; let (s,c)=p.sin_cos(); let e=v as f64-a*c-b*s; res+=e*e; tot+=(v as f64)*(v as f64); }
    let n=y.len() as f64;
    ((a*a+b*b).sqrt(), (res/n).sqrt(), (tot/n).sqrt())
}
fn db(x:f64)->f64{20.0*x.max(1e-12).log10()}
fn main() {
    gst::init().unwrap();
    for rate in [48000usize, 44100, 44099, 8000, 11025, 96000, 192000] {
        println!("== {rate}");
        let mk_fft = |n: usize| -> R { Box::new(Fft::<f32>::new_custom(rate, 16000, n, 1, 1, W::BlackmanHarris2, FixedSync::Both).unwrap()) };
        let mk_sinc = |len: usize, os: usize, it, w: W| -> R {
            let ratio = 16000.0/rate as f64;
            let l = if ratio<1.0 { ((len as f64/ratio) as usize).next_multiple_of(8) } else { len };
            let p = rubato::SincInterpolationParameters::new(l, w).oversampling_factor(os).interpolation(it).f_cutoff(rubato::calculate_cutoff(len,w));
            Box::new(rubato::Async::<f32>::new_sinc(ratio, 1.0, &p, rate/50, 1, rubato::FixedAsync::Input).unwrap()) };
        use rubato::SincInterpolationType as T;
        let mut eng: Vec<(String, Box<dyn Fn(&[f32])->Vec<f32>>)> = vec![];
        eng.push(("gst q4".into(), Box::new(move |m| { let mut c=AudioConvert::to_mono(&AudioInfo::builder(AudioFormat::F32le, rate as u32,1).build().unwrap(),16000).unwrap(); let b:Vec<u8>=m.iter().flat_map(|v|v.to_le_bytes()).collect(); let mut o=vec![]; for ch in b.chunks(4*rate/50) {c.convert(Some(&[ch]),ch.len()/4,&mut o).unwrap();} o })));
        if rate != 44099 { for min in [256usize,384,512,768,1024] { let n = if rate>16000 {min*rate/16000} else {min}; eng.push((format!("fft {n}"), Box::new(move |m| resample(&mut mk_fft(n), m)))); } }
        if rate == 44099 || rate==48000 || rate==8000 { for (l,os,it,w,name) in [(128,256,T::Cubic,W::BlackmanHarris2,"BH2 128/256 cubic"),(256,256,T::Cubic,W::BlackmanHarris2,"BH2 256/256 cubic"),(256,256,T::Quadratic,W::BlackmanHarris2,"BH2 256/256 quad"),(256,1024,T::Linear,W::BlackmanHarris2,"BH2 256/1024 lin"),(128,512,T::Quadratic,W::BlackmanHarris,"BH 128/512 quad")] { eng.push((format!("sinc {name}"), Box::new(move |m| resample(&mut mk_sinc(l,os,it,w), m)))); } }
        for (name, e) in &eng {
            let tone = |f: f64| -> Vec<f32> { (0..rate).map(|i| (0.5*(2.0*std::f64::consts::PI*f*i as f64/rate as f64).sin()) as f32).collect() };
            let nyq = (rate as f64/2.0).min(8000.0);
            let mut snr=f64::MAX; let mut ripple: f64=0.0;
            for k in 1..=20 { let f = 20.0+ (0.85*nyq-20.0)*k as f64/20.0+0.37; let y=e(&tone(f)); let (a,r,_)=fit(&y,f,16000.0); snr=snr.min(db(a/2f64.sqrt())-db(r)); ripple=ripple.max((db(a/0.5)).abs()); }
            let g = |x: f64| { let f=nyq*x; let (a,_,_)=fit(&e(&tone(f)),f,16000.0); db(a/0.5) };
            let mut alias=-200f64; let mut at=0.; let mut past=-200f64;
            if rate>16000 { let mut f=8000.0+10.3; while f < rate as f64/2.0-50.0 { let (_,_,t)=fit(&e(&tone(f)),f,16000.0); let l=db(t/(0.5/2f64.sqrt())); if l>alias {alias=l;at=f;} if f>8600.0 {past=past.max(l)} f += if f<9000.0 {97.0} else {rate as f64/2.0/23.0}; } }
            let t=std::time::Instant::now(); let m=tone(1000.0); for _ in 0..10 { e(&m); } let sp=10.0/t.elapsed().as_secs_f64();
            println!("{name:28} snr {snr:6.1} ripple85 {ripple:6.3} g.90 {:6.2} g.94 {:6.2} g.97 {:6.2} | alias {alias:7.1} at {at:6.0} past8600 {past:7.1} | {sp:6.0}x", g(0.9),g(0.94),g(0.97));
        }
    }
}
