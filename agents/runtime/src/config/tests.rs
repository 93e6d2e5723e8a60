use std::fs;

use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Program {
    #[arg(long)]
    config: Option<PathBuf>,
    #[arg(long, env = "QUIRE_TEST_CONFIG_ADDRESS")]
    address: String,
    #[arg(long, default_value_t = 4)]
    slots: u16,
    #[arg(long, value_delimiter = ',')]
    weights: Vec<u32>,
    #[arg(long)]
    folder: Option<PathBuf>,
}

fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quire.toml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn read(arguments: &[&str]) -> Result<Settings<Program>, ConfigError> {
    Settings::from(|command| command, ["program"].iter().chain(arguments).map(OsString::from))
}

#[test]
fn flags_win_over_the_file_and_the_file_over_defaults() {
    let (_folder, path) =
        file("address = \"nats://ada:hunter2@a,nats://b\"\nslots = 7\n\nweights = [8, 4]\n");
    let settings = read(&["--config", &path, "--slots", "9"]).unwrap();
    assert_eq!((settings.args.slots, &settings.args.weights[..]), (9, &[8, 4][..]));
    assert_eq!(settings.args.address, "nats://ada:hunter2@a,nats://b");
    let origins: Vec<_> = settings.shown.iter().map(|setting| setting.origin.clone()).collect();
    let at = |line| Origin::File { file: PathBuf::from(&path), line };
    assert_eq!(origins, [at(1), Origin::Flag, at(4), Origin::Default]);
    let printed = print(&settings.shown);
    assert!(printed.contains("address = \"nats://[redacted]@a,nats://b\""), "{printed}");
    assert!(
        printed.contains("slots = \"9\"  # flag") && printed.contains("# folder is not set"),
        "{printed}"
    );
    assert!(!printed.contains("hunter2"));
}

#[test]
fn all_mistakes_of_a_file_are_told_with_their_places() {
    let (_folder, path) = file("slotz = 7\naddress = 1979-05-27\n");
    let told = read(&["--config", &path]).unwrap_err().to_string();
    assert!(told.contains("quire.toml:1:1: no setting is named `slotz`; the nearest is `slots`"), "{told}");
    assert!(told.contains("quire.toml:2:11: expected a text"), "{told}");
    let (_folder, path) = file("address = \"x\"\nslots = [\n");
    assert!(read(&["--config", &path]).unwrap_err().to_string().contains("quire.toml:"));
    assert!(matches!(read(&["--config", "/nowhere/at/all"]), Err(ConfigError::Read { .. })));
}

#[test]
fn a_value_of_the_wrong_type_is_told_with_its_line() {
    let (_folder, path) = file("address = \"x\"\nslots = \"many\"\n");
    let told = read(&["--config", &path]).unwrap_err().to_string();
    assert!(told.contains("quire.toml:2") && told.contains("slots"), "{told}");
}

#[test]
fn what_is_needed_and_nowhere_said_is_an_error_of_usage() {
    assert!(matches!(read(&[]), Err(ConfigError::Usage(_))));
}

#[test]
fn of_two_settings_that_belong_together_both_are_given_or_neither_wherever_they_stand() {
    let pairs = [("address", "folder")];
    let check = |arguments: &[&str]| check_pairs(&read(arguments).unwrap().shown, &pairs);
    let (_folder, path) = file("address = \"x\"\n");
    let told = check(&["--config", &path]).unwrap_err().to_string();
    assert!(
        told.contains("address is given (") && told.contains("quire.toml:1) and folder is not"),
        "{told}"
    );
    check(&["--config", &path, "--folder", "f"]).unwrap();
    let told = check(&["--address", "x"]).unwrap_err().to_string();
    assert!(told.contains("address is given (flag)"), "{told}");
    let (_folder, path) = file("address = \"x\"\nfolder = \"f\"\n");
    check(&["--config", &path]).unwrap();
}

#[test]
fn no_form_of_an_address_shows_its_secrets() {
    for (value, shown) in [
        ("ada:hunter2@nats:4222", "[redacted]@nats:4222"),
        ("nats://u:pa,ss@h", "nats://[redacted]@h"),
        ("nats://a:b@h,tls://c:d@i", "nats://[redacted]@i"),
        ("file:///srv/quire", "file:///srv/quire"),
    ] {
        assert_eq!(without_secrets(value), shown);
    }
}
