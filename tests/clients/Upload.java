import java.io.FileInputStream;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import okhttp3.CertificatePinner;
import okhttp3.FormBody;
import okhttp3.MediaType;
import okhttp3.MultipartBody;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.RequestBody;
import okhttp3.Response;
import okio.BufferedSink;

/**
 * Uploads through a proxy with OkHttp, the client of most Android apps; prints what each server said, a line each.
 *
 * <p>Upload PORT CA [HOST TIMES]: with a host, the client pins another key for it, and tries so many times.
 */
public final class Upload {
    public static void main(String[] arguments) throws Exception {
        OkHttpClient.Builder builder = new OkHttpClient.Builder()
                .proxy(new Proxy(Proxy.Type.HTTP, new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0]))))
                .readTimeout(60, TimeUnit.SECONDS);
        trust(builder, arguments[1]);
        if (arguments.length > 2) {
            String other = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
            OkHttpClient client = builder.certificatePinner(new CertificatePinner.Builder().add(arguments[2], other).build()).build();
            for (int left = Integer.parseInt(arguments[3]); left > 0; left--) {
                try {
                    say(client, "https://" + arguments[2] + "/pinned", new FormBody.Builder().add("steps", "12").build());
                } catch (SSLPeerUnverifiedException refused) {
                    System.out.println("refused");
                }
            }
        } else {
            upload(builder.build());
        }
        // OkHttp's own threads wait five minutes for more to do.
        System.exit(0);
    }

    private static void upload(OkHttpClient client) throws Exception {
        say(client, "https://api.test/okhttp/form", new FormBody.Builder().add("steps", "12").add("name", "J\u00f6rg").build());
        say(client, "https://h1.test/okhttp/form", new FormBody.Builder().add("steps", "12").build());
        byte[] series = new byte[400_000];
        java.util.Arrays.fill(series, (byte) 7);
        RequestBody file = RequestBody.create(MediaType.get("application/octet-stream"), series);
        say(client, "https://api.test/okhttp/file", new MultipartBody.Builder().setType(MultipartBody.FORM)
                .addFormDataPart("name", "Quillon").addFormDataPart("file", "series.bin", file).build());
        // Of no known length.
        say(client, "https://h1.test/okhttp/stream", new RequestBody() {
            @Override public MediaType contentType() {
                return MediaType.get("application/octet-stream");
            }

            @Override public void writeTo(BufferedSink sink) throws java.io.IOException {
                for (int piece = 0; piece < 5; piece++) {
                    sink.write(new byte[50_000]);
                    sink.flush();
                }
            }
        });
        // OkHttp asks for gzip by itself and undoes it.
        say(client, "https://api.test/compressed", null);
        say(client, "http://plain.test/okhttp/plain", new FormBody.Builder().add("steps", "12").build());
    }

    private static void say(OkHttpClient client, String url, RequestBody body) throws Exception {
        Request.Builder request = new Request.Builder().url(url);
        try (Response response = client.newCall((body == null ? request : request.post(body)).build()).execute()) {
            String text = response.body().string();
            System.out.println(response.code() + " " + response.protocol() + " " + text.split("\n")[0]);
        }
    }

    private static void trust(OkHttpClient.Builder builder, String authority) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (FileInputStream input = new FileInputStream(authority)) {
            store.setCertificateEntry("proxy", CertificateFactory.getInstance("X.509").generateCertificate(input));
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        TrustManager manager = factory.getTrustManagers()[0];
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] {manager}, null);
        builder.sslSocketFactory(context.getSocketFactory(), (X509TrustManager) manager);
    }
}
