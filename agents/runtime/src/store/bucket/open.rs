//! Opens a bucket: settings, deadlines, repeats, TLS.

use std::{fmt, sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ClientOptions, HeaderValue, ObjectStore, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut},
    client::ClientConfigKey,
};

use super::{Bucket, BucketTrouble, Server, bridge::Bridge};
use crate::{config::without_secrets, install_tls, telemetry::Secret};

/// A request with its body, both ways.
const REQUEST: Duration = Duration::from_secs(120);
/// Until there is a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Between two pieces of an answer.
const SILENCE: Duration = Duration::from_secs(20);
/// A request that only asks whether the server is there.
const LOOK: Duration = Duration::from_secs(10);
/// A request with all its repeats: about as long as a server takes to come back.
const REPEATS: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const USER_AGENT: &str = concat!("quire/", env!("CARGO_PKG_VERSION"));

/// Variables of which one says who we are.
const CREDENTIALS: [AmazonS3ConfigKey; 4] = [
    AmazonS3ConfigKey::AccessKeyId,
    AmazonS3ConfigKey::WebIdentityTokenFile,
    AmazonS3ConfigKey::ContainerCredentialsRelativeUri,
    AmazonS3ConfigKey::ContainerCredentialsFullUri,
];

/// Where the server is and who we are to it: the variables `AWS_*`, as all programs for S3 know them.
#[derive(Clone, Default)]
pub struct S3Settings(Vec<(AmazonS3ConfigKey, Secret)>);

impl S3Settings {
    /// Those of this process.
    #[must_use]
    pub fn from_env() -> Self {
        let text = |text: std::ffi::OsString| text.into_string().ok();
        Self::of(std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))))
    }

    /// Those among `variables` that concern S3.
    #[must_use]
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let known = |(name, value): (String, String)| {
            let key = name.starts_with("AWS_").then(|| name.to_ascii_lowercase().parse().ok())??;
            // Some tools set what they do not know to nothing.
            (!value.is_empty()).then(|| (key, Secret::new(value)))
        };
        Self(variables.into_iter().filter_map(known).collect())
    }

    fn has(&self, wanted: &AmazonS3ConfigKey) -> bool {
        self.0.iter().any(|(key, _)| key == wanted)
    }

    fn get(&self, wanted: &AmazonS3ConfigKey) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.expose())
    }

    fn is_on(&self, key: &AmazonS3ConfigKey) -> bool {
        self.get(key).is_some_and(|value| {
            matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "on" | "y" | "yes")
        })
    }

    /// The server's address, for messages.
    fn endpoint(&self) -> String {
        let region = self.get(&AmazonS3ConfigKey::Region).or(self.get(&AmazonS3ConfigKey::DefaultRegion));
        let amazon = || format!("https://s3.{}.amazonaws.com", region.unwrap_or("us-east-1"));
        self.get(&AmazonS3ConfigKey::Endpoint).map_or_else(amazon, without_secrets)
    }

    fn client(&self, bucket: &str, patient: bool) -> Result<AmazonS3, object_store::Error> {
        let retry = RetryConfig {
            backoff: BackoffConfig { init_backoff: PAUSE, max_backoff: LONGEST_PAUSE, base: 2.0 },
            max_retries: if patient { 20 } else { 0 },
            retry_timeout: if patient { REPEATS } else { LOOK },
        };
        let mut options = ClientOptions::new()
            .with_timeout(if patient { REQUEST } else { LOOK })
            .with_connect_timeout(CONNECT)
            .with_read_timeout(SILENCE)
            .with_user_agent(HeaderValue::from_static(USER_AGENT));
        let (mut builder, mut of_client) = (AmazonS3Builder::new(), Vec::new());
        for (key, value) in &self.0 {
            match key {
                AmazonS3ConfigKey::Client(key) => of_client.push((*key, value)),
                key => builder = builder.with_config(*key, value.expose()),
            }
        }
        for (key, value) in of_client {
            options = options.with_config(key, value.expose());
        }
        // What else the variables say of these would not do for us.
        let builder = builder.with_bucket_name(bucket).with_conditional_put(S3ConditionalPut::ETagMatch);
        builder.with_client_options(options).with_retry(retry).build()
    }
}

impl fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(key, _)| key.as_ref())).finish()
    }
}

impl Bucket {
    /// A bucket of S3's protocol. Nothing is asked of the server yet.
    ///
    /// # Errors
    /// If the settings do not make sense.
    pub fn s3(name: &str, prefix: &str, settings: &S3Settings) -> Result<Self, BucketTrouble> {
        let endpoint = settings.endpoint();
        if endpoint.starts_with("http://")
            && !settings.is_on(&AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp))
        {
            return Err(BucketTrouble::Plain { endpoint });
        }
        install_tls();
        let client = |patient| {
            let client = settings.client(name, patient);
            client.map(|client| Arc::new(client) as Arc<dyn ObjectStore>).map_err(BucketTrouble::settings)
        };
        let server = Server {
            objects: client(true)?,
            impatient: client(false)?,
            bridge: Bridge::start().map_err(BucketTrouble::Thread)?,
            endpoint,
            credentials: settings.is_on(&AmazonS3ConfigKey::SkipSignature)
                || CREDENTIALS.iter().any(|key| settings.has(key)),
        };
        Ok(Self::new(server, &format!("s3://{name}"), prefix))
    }

    /// A bucket in memory, of this process alone: for tests.
    ///
    /// # Errors
    /// If there is no thread for it.
    pub fn in_memory(prefix: &str) -> Result<Self, BucketTrouble> {
        let objects: Arc<dyn ObjectStore> = Arc::new(object_store::memory::InMemory::new());
        let server = Server {
            objects: Arc::clone(&objects),
            impatient: objects,
            bridge: Bridge::start().map_err(BucketTrouble::Thread)?,
            endpoint: "memory".to_owned(),
            credentials: true,
        };
        Ok(Self::new(server, "memory:", prefix))
    }

    fn new(server: Server, url: &str, prefix: &str) -> Self {
        let bucket = Self { server: Arc::new(server), prefix: String::new(), url: url.to_owned() };
        if prefix.is_empty() { bucket } else { bucket.under(prefix) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> S3Settings {
        S3Settings::of(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn nothing_shows_a_secret() {
        let settings = settings(&[
            ("AWS_ACCESS_KEY_ID", "AKIA"),
            ("AWS_SECRET_ACCESS_KEY", "hush"),
            ("AWS_SESSION_TOKEN", "hush"),
            ("AWS_ENDPOINT_URL", "https://user:hush@s3.example.org"),
            ("PATH", "hush"),
        ]);
        let bucket = Bucket::s3("bucket", "a", &settings).unwrap();
        let shown = format!("{settings:?} {bucket:?} {} {}", bucket.url(), settings.endpoint());
        assert!(!shown.contains("hush") && !shown.contains("AKIA"), "{shown}");
        assert!(shown.contains("aws_secret_access_key") && shown.contains("s3://bucket/a"), "{shown}");
    }

    #[test]
    fn a_server_without_tls_is_used_only_if_that_is_asked_for() {
        let endpoint = ("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
        let refused = Bucket::s3("bucket", "", &settings(&[endpoint])).unwrap_err().to_string();
        assert!(refused.contains("AWS_ALLOW_HTTP") && refused.contains("http://127.0.0.1:1"), "{refused}");
        Bucket::s3("bucket", "", &settings(&[endpoint, ("AWS_ALLOW_HTTP", "true")])).unwrap();
        let wrong = settings(&[endpoint, ("AWS_ALLOW_HTTP", "true"), ("AWS_SKIP_SIGNATURE", "perhaps")]);
        let wrong = Bucket::s3("bucket", "", &wrong).unwrap_err();
        assert!(matches!(wrong, BucketTrouble::Settings(_)), "{wrong}");
    }
}
