import java.io.IOException;
import java.io.InputStream;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

/**
 * Whom an app trusts: what lies in the certificate store that its own mount namespace shows it, looked at whenever it is asked, as
 * Android's does. Since Android 14 that is the module's store. An app for Android 6 or older trusts the user's certificates, too, and so
 * does one that says so in its networkSecurityConfig, which may also name certificates of the app's own.
 */
final class Trust implements X509TrustManager {
    private static final Path MODULE = Path.of("/apex/com.android.conscrypt/cacerts");
    private static final Path SYSTEM = Path.of("/system/etc/security/cacerts");
    private static final Path USER = Path.of("/data/misc/user/0/cacerts-added");

    private final Phone phone;

    Trust(Phone phone) {
        this.phone = phone;
    }

    /** Names and times of everything trusted now: another text, other certificates. */
    String listing() throws IOException {
        StringBuilder listing = new StringBuilder();
        for (Path file : files()) {
            listing.append(file).append(' ').append(Files.size(file)).append(' ').append(Files.getLastModifiedTime(file)).append('\n');
        }
        return listing.toString();
    }

    @Override public void checkServerTrusted(X509Certificate[] chain, String type) throws CertificateException {
        try {
            KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
            store.load(null, null);
            int number = 0;
            for (X509Certificate issuer : getAcceptedIssuers()) {
                store.setCertificateEntry("trusted-" + number++, issuer);
            }
            if (number == 0) {
                throw new CertificateException("nobody is trusted");
            }
            TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            factory.init(store);
            ((X509TrustManager) factory.getTrustManagers()[0]).checkServerTrusted(chain, type);
        } catch (CertificateException refused) {
            throw refused;
        } catch (GeneralSecurityException | IOException error) {
            throw new CertificateException(error);
        }
    }

    @Override public void checkClientTrusted(X509Certificate[] chain, String type) throws CertificateException {
        throw new CertificateException("an app is no server");
    }

    @Override public X509Certificate[] getAcceptedIssuers() {
        List<X509Certificate> issuers = new ArrayList<>();
        try {
            CertificateFactory factory = CertificateFactory.getInstance("X.509");
            for (Path file : files()) {
                try (InputStream in = Files.newInputStream(file)) {
                    issuers.add((X509Certificate) factory.generateCertificate(in));
                } catch (CertificateException none) {
                    // A file that is no certificate is trusted by nobody.
                }
            }
        } catch (GeneralSecurityException | IOException error) {
            throw new IllegalStateException(error);
        }
        return issuers.toArray(new X509Certificate[0]);
    }

    private List<Path> files() throws IOException {
        boolean module = Integer.parseInt(phone.view().getProperty("sdk", "34")) >= 34 && Files.isDirectory(MODULE);
        List<Path> folders = new ArrayList<>(List.of(module ? MODULE : SYSTEM));
        if ("1".equals(phone.own("trusts_user"))) {
            folders.add(USER);
        }
        folders.add(phone.anchors());
        List<Path> files = new ArrayList<>();
        for (Path folder : folders) {
            if (Files.isDirectory(folder)) {
                try (DirectoryStream<Path> found = Files.newDirectoryStream(folder)) {
                    found.forEach(files::add);
                }
            }
        }
        files.sort(null);
        return files;
    }
}
