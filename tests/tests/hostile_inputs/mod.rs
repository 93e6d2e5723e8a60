//! Makes the hostile inputs, from a fixed seed.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

/// Strings that break out of something somewhere.
const ATTACKS: [&str; 20] = [
    "<script>alert(1)</script>",
    "\"><script>alert(1)</script>",
    "'><img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "javascript:alert(1)",
    "</script><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "<!--<script>alert(1)//-->",
    "{{7*7}}{% include '/etc/passwd' %}",
    "{%for x in range(999999999)%}x{%endfor%}",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "\u{202e}gpj.exe",
    "=cmd|' /C calc'!A0",
    "a\u{0}b",
    "\u{feff}bom",
    "\r\nSet-Cookie: x=1",
    "\u{1b}[31mred",
    "]]><x>",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "\u{2028}\u{2029}",
];

/// Keys that want to be somewhere else.
const PATHS: [&str; 24] = [
    "../escaped",
    "../../../../etc/passwd",
    "/etc/passwd",
    "..\\..\\windows",
    "C:\\x",
    "con",
    "CON",
    "nul.html",
    "index",
    "INDEX",
    "rejects",
    "data",
    "search",
    "assets",
    "manifest.json",
    ".",
    "..",
    "",
    " ",
    "a/b",
    "a%2fb",
    "%2e%2e%2f",
    "é",
    "e\u{301}",
];

/// Writes the inputs below `root`; returns how many items they are at least.
pub(crate) fn write(root: &Path) -> u64 {
    let mut written = Written { root, count: 0 };
    scripts_in_every_field(&mut written);
    path_tricks(&mut written);
    broken_json(&mut written);
    deep_and_huge(&mut written);
    wrong_types(&mut written);
    bad_bytes(&mut written);
    colliding_slugs(&mut written);
    bombs(&mut written);
    lines_and_tables(&mut written);
    yaml(&mut written);
    written.count
}

struct Written<'a> {
    root: &'a Path,
    count: u64,
}

impl Written<'_> {
    fn file(&mut self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self.count += 1;
    }

    fn json(&mut self, name: &str, value: &Value) {
        self.file(&format!("{name}.json"), serde_json::to_vec(value).unwrap());
    }
}

fn good(id: &str) -> Value {
    json!({ "id": id, "title": format!("Title of {id}"), "text": "harmless", "tags": ["one", "two"] })
}

fn scripts_in_every_field(written: &mut Written<'_>) {
    for (number, attack) in ATTACKS.iter().enumerate() {
        for field in ["id", "title", "text", "extra", "tags", "key", "nested"] {
            let mut record = good(&format!("script-{number}-{field}"));
            match field {
                "tags" => record["tags"] = json!([attack, attack]),
                "key" => record[*attack] = json!(attack),
                "nested" => record["nested"] = json!([{ *attack: [[attack]] }]),
                "id" => record["id"] = json!(format!("{attack}{number}")),
                _ => record[field] = json!(attack),
            }
            written.json(&format!("scripts/{number}-{field}"), &record);
        }
    }
}

fn path_tricks(written: &mut Written<'_>) {
    for (number, path) in PATHS.iter().enumerate() {
        let mut record = good("x");
        record["id"] = json!(path);
        written.json(&format!("paths/{number}"), &record);
    }
    for length in [200, 255, 256, 1000, 100_000] {
        written.json(&format!("paths/long-{length}"), &good(&"x".repeat(length)));
    }
}

/// Every kind of truncation and damage of a good record.
fn broken_json(written: &mut Written<'_>) {
    let whole = serde_json::to_vec(&good("truncated")).unwrap();
    for length in 0..whole.len() {
        written.file(&format!("truncated/{length}.json"), &whole[..length]);
    }
    let whole = serde_json::to_vec_pretty(&good("flipped")).unwrap();
    for (number, mask) in [0x01_u8, 0x04, 0x20, 0x40, 0x80].into_iter().enumerate() {
        for position in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[position] ^= mask;
            written.file(&format!("flipped/{number}-{position}.json"), bytes);
        }
    }
    for (number, text) in [
        "NaN",
        "{\"id\":NaN}",
        "{\"id\":Infinity}",
        "{\"id\":\"a\",\"id\":\"b\"}",
        "[]",
        "null",
        "1e999",
        "{\"id\":\"x\",\"title\":1e999}",
        "{\"id\":\"lone\",\"title\":\"\\ud800\"}",
        "{'id':1}",
        "{\"id\":\"c\",}",
        "// comment\n{}",
        "\"text\"",
        "{}{}",
        "\u{feff}{\"id\":\"bom\"}",
    ]
    .into_iter()
    .enumerate()
    {
        written.file(&format!("odd/{number}.json"), text);
    }
}

fn deep_and_huge(written: &mut Written<'_>) {
    for depth in [100, 1000, 100_000] {
        written
            .file(&format!("deep/array-{depth}.json"), format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
        written.file(
            &format!("deep/object-{depth}.json"),
            format!("{{\"id\":\"d\",\"x\":{}1{}}}", "{\"x\":".repeat(depth), "}".repeat(depth)),
        );
        written.file(&format!("deep/open-{depth}.json"), "{\"x\":[".repeat(depth));
    }
    written.file("huge/string.json", format!("{{\"id\":\"huge\",\"title\":\"{}\"}}", "x".repeat(900_000)));
    written
        .file("huge/too-large.json", format!("{{\"id\":\"huge\",\"title\":\"{}\"}}", "x".repeat(3_000_000)));
    written.file(
        "huge/number.json",
        format!("{{\"id\":\"number\",\"title\":\"n\",\"n\":{}}}", "9".repeat(100_000)),
    );
    written.file(
        "huge/keys.json",
        serde_json::to_vec(
            &(0..20_000).map(|n| (format!("k{n}"), json!(n))).collect::<serde_json::Map<_, _>>(),
        )
        .unwrap(),
    );
    written.json("huge/tags", &json!({ "id": "tags", "title": "many tags", "tags": (0..20_000).map(|n| format!("tag {n}")).collect::<Vec<_>>() }));
}

fn wrong_types(written: &mut Written<'_>) {
    let values = [
        json!(null),
        json!(true),
        json!(1.5),
        json!(-0.0),
        json!([]),
        json!({}),
        json!([[]]),
        json!(""),
        json!(u64::MAX),
    ];
    for (number, value) in values.iter().enumerate() {
        for field in ["id", "title", "text", "tags"] {
            let mut record = good(&format!("type-{number}-{field}"));
            record[field] = value.clone();
            written.json(&format!("types/{number}-{field}"), &record);
            record.as_object_mut().unwrap().remove(field);
            written.json(&format!("types/{number}-{field}-absent"), &record);
        }
    }
}

fn bad_bytes(written: &mut Written<'_>) {
    for byte in 0x80..=0xff_u8 {
        let mut bytes = b"{\"id\":\"bytes\",\"title\":\"".to_vec();
        bytes.extend([byte, b'"', b'}']);
        written.file(&format!("bytes/{byte}.json"), bytes);
    }
    for control in 0..0x20_u8 {
        let mut bytes = b"{\"id\":\"control\",\"title\":\"".to_vec();
        bytes.extend([control, b'"', b'}']);
        written.file(&format!("bytes/control-{control}.json"), bytes);
    }
}

fn colliding_slugs(written: &mut Written<'_>) {
    for (number, id) in
        ["Same", "same", "SAME", "s ame", "s-ame", "s_ame", "s.ame", "same ", " same", "same\t"]
            .iter()
            .enumerate()
    {
        written.json(&format!("slugs/{number}"), &good(id));
        written.json(&format!("slugs/{number}-again"), &good(id));
    }
}

fn bombs(written: &mut Written<'_>) {
    let zeros = vec![b' '; 64 << 20];
    for (program, ending) in [("gzip", "gz"), ("zstd", "zst")] {
        let Some(packed) = pack(program, &zeros) else { continue };
        written.file(&format!("bombs/blank.json.{ending}"), &packed);
        let Some(twice) = pack(program, &packed) else { continue };
        written.file(&format!("bombs/twice.json.{ending}"), twice);
        written.file(&format!("bombs/cut.json.{ending}"), &packed[..packed.len() / 2]);
        written.file(&format!("bombs/fake.json.{ending}"), "not packed at all");
    }
}

fn pack(program: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new(program)
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let feeding = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap().unwrap();
    output.status.success().then_some(output.stdout)
}

fn lines_and_tables(written: &mut Written<'_>) {
    let mut lines = Vec::new();
    for number in 0..50 {
        lines.extend(serde_json::to_vec(&good(&format!("line-{number}"))).unwrap());
        lines.extend(if number % 3 == 0 { &b"\n{broken\n"[..] } else { b"\r\n" });
    }
    lines.extend(b"\xff\xfe\n{\"id\":\"last\",\"title\":\"no newline\"}");
    written.file("lines.jsonl", lines);
    written.file("table.csv", "id,title,text\nrow-1,=1+1,\"<script>alert(1)</script>\"\nrow-2,too,many,cells\nrow-3\n\"open,quote\n");
    written.file("twice.csv", "id,id,title\na,b,c\n");
    written.file("empty.csv", "");
    written.file("empty.jsonl", "");
}

fn yaml(written: &mut Written<'_>) {
    let mut bomb = String::from("a0: &a0 [x]\n");
    for level in 1..40 {
        let before = level - 1;
        bomb.push_str(&format!(
            "a{level}: &a{level} [*a{before},*a{before},*a{before},*a{before},*a{before},*a{before}]\n"
        ));
    }
    written.file("alias-bomb.yaml", bomb);
    written.file("merge.yaml", "base: &b {id: m, title: t}\n<<: *b\n");
    written.file("tag.yaml", "id: !!python/object:os.system x\ntitle: t\n");
    written.file("cycle.yaml", "id: cycle\ntitle: &t [*t]\n");
    written.file("many.yaml", "id: one\ntitle: a\n---\nid: two\ntitle: b\n");
    written.file("tabs.yaml", "id:\tx\n\ttitle: y\n");
    written.file("good.yaml", "id: good-yaml\ntitle: \"<script>alert(1)</script>\"\ntext: fine\n");
    written.file("deep.yaml", format!("id: deep\ntitle: {}{}\n", "[".repeat(5000), "]".repeat(5000)));
}
