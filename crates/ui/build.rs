//! Bundles the pages' script and style and turns them into a table of embedded files.
//!
//! Runs `npm ci` when the packages are missing or older than their lock, bundles with esbuild, names every file by its
//! content, compresses it once, and writes `assets.rs` into `OUT_DIR`. Never reads anything outside `assets/`.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use sha2::Digest as _;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What is served: constant in Rust, source, name stem, extension, content type, whether esbuild bundles it.
const FILES: &[(&str, &str, &str, &str, &str, bool)] = &[
    (
        "APP_JS",
        "src/app.js",
        "app",
        "js",
        "text/javascript; charset=utf-8",
        true,
    ),
    (
        "SCHEME_JS",
        "src/scheme.js",
        "scheme",
        "js",
        "text/javascript; charset=utf-8",
        true,
    ),
    (
        "APP_CSS",
        "css/app.css",
        "app",
        "css",
        "text/css; charset=utf-8",
        true,
    ),
    ("ICONS", "icons.svg", "icons", "svg", "image/svg+xml", false),
    ("MARK", "mark.svg", "mark", "svg", "image/svg+xml", false),
];

fn main() -> Outcome<()> {
    let source = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("assets");
    let out = PathBuf::from(env::var("OUT_DIR")?).join("assets");
    for watched in [
        "src",
        "css",
        "icons.svg",
        "mark.svg",
        "package.json",
        "package-lock.json",
    ] {
        println!("cargo::rerun-if-changed={}", source.join(watched).display());
    }
    println!("cargo::rerun-if-changed=locales");
    println!("cargo::rerun-if-changed=templates");

    install_packages(&source)?;
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    fs::create_dir_all(&out)?;

    let mut table = String::new();
    let mut names = String::new();
    for &(constant, file, stem, extension, content_type, bundled) in FILES {
        let path = source.join(file);
        let content = if bundled {
            bundle(&source, &path)?
        } else {
            fs::read(&path)?
        };
        let name = format!("{stem}-{}.{extension}", fingerprint(&content));
        fs::write(out.join(&name), &content)?;
        fs::write(out.join(format!("{name}.br")), brotli(&content)?)?;
        fs::write(out.join(format!("{name}.gz")), gzip(&content)?)?;
        writeln!(
            names,
            "/// Address of `{file}`.\npub(crate) const {constant}: &str = \"/assets/{name}\";"
        )?;
        writeln!(
            table,
            "    Asset {{ name: {name:?}, content_type: {content_type:?}, plain: include_bytes!({:?}), brotli: include_bytes!({:?}), gzip: include_bytes!({:?}) }},",
            out.join(&name).display().to_string(),
            out.join(format!("{name}.br")).display().to_string(),
            out.join(format!("{name}.gz")).display().to_string(),
        )?;
    }
    fs::write(
        out.join("assets.rs"),
        format!("{names}\nstatic ASSETS: &[Asset] = &[\n{table}];\n"),
    )?;
    Ok(())
}

/// Brings `node_modules` up to the lock file; does nothing when it already is.
fn install_packages(source: &Path) -> Outcome<()> {
    let lock = fs::metadata(source.join("package-lock.json"))?.modified()?;
    let installed =
        fs::metadata(source.join("node_modules/.package-lock.json")).and_then(|it| it.modified());
    if installed.is_ok_and(|at| at >= lock) {
        return Ok(());
    }
    let done = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(source)
        .output()
        .map_err(|error| format!("npm is needed to bundle the pages' script and style; install nodejs and npm ({error})"))?;
    if !done.status.success() {
        return Err(format!("npm ci failed:\n{}", String::from_utf8_lossy(&done.stderr)).into());
    }
    // npm keeps the file's old time when nothing had to change.
    let stamp = fs::File::options()
        .append(true)
        .open(source.join("node_modules/.package-lock.json"))?;
    stamp.set_modified(lock)?;
    Ok(())
}

fn bundle(source: &Path, entry: &Path) -> Outcome<Vec<u8>> {
    let done = Command::new(source.join("node_modules/.bin/esbuild"))
        .arg(entry)
        .args([
            "--bundle",
            "--minify",
            "--format=iife",
            "--target=chrome123,firefox128,safari17.5",
            "--legal-comments=none",
            "--log-level=warning",
        ])
        .current_dir(source)
        .output()?;
    if !done.status.success() {
        return Err(format!("esbuild failed:\n{}", String::from_utf8_lossy(&done.stderr)).into());
    }
    Ok(done.stdout)
}

fn fingerprint(content: &[u8]) -> String {
    let digest = sha2::Sha256::digest(content);
    digest.iter().take(6).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn brotli(content: &[u8]) -> Outcome<Vec<u8>> {
    let mut packed = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams {
        quality: 11,
        lgwin: 22,
        ..Default::default()
    };
    brotli::BrotliCompress(&mut &*content, &mut packed, &parameters)?;
    Ok(packed)
}

fn gzip(content: &[u8]) -> Outcome<Vec<u8>> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(content)?;
    Ok(packed.finish()?)
}
