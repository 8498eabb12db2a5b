import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.UnknownHostException;
import java.security.GeneralSecurityException;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import okhttp3.CertificatePinner;
import okhttp3.OkHttpClient;
import okhttp3.Protocol;
import okhttp3.Request;
import okhttp3.Response;

/** An app's way to the network: OkHttp through the proxy of the phone's settings, trusting whom the phone trusts. */
final class Network {
    /** How a request travels. */
    enum Lane { HTTP1, HTTP2, PINNED }

    /** What came back. */
    static final class Answer {
        final int status;
        final String location;
        final String body;

        Answer(int status, String location, String body) {
            this.status = status;
            this.location = location;
            this.body = body;
        }
    }

    /** The key that a pinned host would have; nobody's, unless the phone is told one. */
    private static final String PIN = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    /** What is known without asking anybody: the phone itself, and addresses. */
    private static final Pattern KNOWN = Pattern.compile("localhost|[0-9]{1,3}([.][0-9]{1,3}){3}");

    private final Phone phone;
    private final Trust trust;
    private String made = "";
    private OkHttpClient http1;
    private OkHttpClient http2;

    Network(Phone phone) {
        this.phone = phone;
        this.trust = new Trust(phone);
    }

    /** Sends a request and waits for the whole answer; {@code null} when none came. Says on stdout what became of it. */
    Answer send(Request request, Lane lane) {
        String what = request.method() + " " + request.url().host() + request.url().encodedPath();
        try {
            if (phone.view().getProperty("airplane").equals("1")) {
                throw new IOException("airplane mode");
            }
            OkHttpClient client = client(lane, request.url().host());
            try (Response response = client.newCall(request).execute()) {
                String body = response.body().string();
                System.out.println(phone.now() + " " + response.protocol() + " " + response.code() + " " + what);
                return new Answer(response.code(), response.header("location"), body);
            }
        } catch (IOException | GeneralSecurityException error) {
            String why = error.getClass().getSimpleName() + ": " + String.valueOf(error.getMessage()).split("\n")[0];
            System.out.println(phone.now() + " FAIL " + what + " " + why);
            return null;
        }
    }

    /** Sends a datagram past every proxy, as apps with protocols of their own do. It goes nowhere; the phone counts it. */
    void bypass(byte[] bytes) {
        try (DatagramSocket socket = new DatagramSocket()) {
            socket.send(new DatagramPacket(bytes, bytes.length, InetAddress.getByAddress(new byte[] {(byte) 192, 0, 2, 1}), 443));
            phone.count(0, bytes.length);
            System.out.println(phone.now() + " udp " + bytes.length);
        } catch (IOException error) {
            System.out.println(phone.now() + " FAIL udp " + error.getMessage());
        }
    }

    private OkHttpClient client(Lane lane, String host) throws IOException, GeneralSecurityException {
        String setting = phone.view().getProperty("proxy", "");
        String now = setting + "\n" + trust.listing();
        if (!now.equals(made)) {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, new TrustManager[] {trust}, null);
            OkHttpClient.Builder builder = new OkHttpClient.Builder()
                    .sslSocketFactory(context.getSocketFactory(), trust)
                    .followRedirects(false)
                    .retryOnConnectionFailure(false)
                    .connectTimeout(10, TimeUnit.SECONDS)
                    .readTimeout(10, TimeUnit.SECONDS)
                    .proxy(proxy(setting))
                    // Who uses a proxy lets it look names up; there is no other way out of this phone.
                    .dns(name -> {
                        if (KNOWN.matcher(name).matches()) {
                            return List.of(InetAddress.getByName(name));
                        }
                        throw new UnknownHostException("Unable to resolve host \"" + name + "\": No address associated with hostname");
                    });
            http2 = builder.build();
            http1 = builder.protocols(Collections.singletonList(Protocol.HTTP_1_1)).build();
            made = now;
        }
        switch (lane) {
            case HTTP1: return http1;
            case HTTP2: return http2;
            default:
                String pin = phone.view().getProperty("pin", PIN);
                return http2.newBuilder().certificatePinner(new CertificatePinner.Builder().add(host, pin).build()).build();
        }
    }

    private static Proxy proxy(String setting) {
        int colon = setting.lastIndexOf(':');
        if (colon <= 0 || setting.endsWith(":0")) {
            return Proxy.NO_PROXY;
        }
        int port = Integer.parseInt(setting.substring(colon + 1));
        String host = setting.substring(0, colon);
        return new Proxy(Proxy.Type.HTTP, InetSocketAddress.createUnresolved(host, port));
    }
}
