import java.io.IOException;
import java.io.InputStreamReader;
import java.io.StringReader;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Properties;

/** What an app sees of the phone that it runs on: its clock, its position as far as it may know, its settings, its own folder. */
final class Phone {
    private static final Path HOME = Path.of("/data/standin");

    private final String name;

    Phone(String name) {
        this.name = name;
    }

    /** What the phone tells its apps now; it may be another thing the next time. */
    Properties view() {
        return read(HOME.resolve("view.properties"));
    }

    /** Something that is told of this package: its version, its position. {@code null} when it is not. */
    String own(String key) {
        return view().getProperty(name + "." + key);
    }

    /** Where certificates lie that only this app trusts, because its package says so. */
    Path anchors() {
        return HOME.resolve("anchors").resolve(name);
    }

    /** Milliseconds since 1970, by the phone's clock. */
    long now() {
        return System.currentTimeMillis() + 1000 * Long.parseLong(view().getProperty("clock_offset_s", "0"));
    }

    /** Where the phone is, if this app may know: latitude, longitude. */
    double[] position() {
        String text = own("position");
        if (text == null) {
            return null;
        }
        String[] parts = text.split(",");
        return new double[] {Double.parseDouble(parts[0]), Double.parseDouble(parts[1])};
    }

    /**
     * What the band in reach is and holds; empty when there is none. Who answers at the socket reads a band by radio for this phone,
     * each time anew; without a socket it is what was written down.
     */
    Properties band() {
        Path radio = HOME.resolve("band.socket");
        if (!Files.exists(radio)) {
            return read(HOME.resolve("band.properties"));
        }
        Properties band = new Properties();
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(radio))) {
            band.load(new InputStreamReader(Channels.newInputStream(channel), StandardCharsets.UTF_8));
        } catch (IOException gone) {
            System.out.println(now() + " FAIL band " + gone.getMessage());
            return new Properties();
        }
        return band;
    }

    /** What this installation has stored. */
    Properties stored() {
        return read(Path.of("stored.properties"));
    }

    void store(Properties stored) throws IOException {
        StringBuilder text = new StringBuilder();
        stored.forEach((key, value) -> text.append(key).append('=').append(value).append('\n'));
        replace(Path.of("stored.properties"), text.toString());
    }

    /** Counts bytes that left the phone, or came to it, as the phone counts them for each app. */
    void count(long received, long sent) throws IOException {
        Path file = HOME.resolve("bytes." + own("uid"));
        long[] before = {0, 0};
        if (Files.exists(file)) {
            String[] parts = Files.readString(file).trim().split(" ");
            before = new long[] {Long.parseLong(parts[0]), Long.parseLong(parts[1])};
        }
        replace(file, (before[0] + received) + " " + (before[1] + sent) + "\n");
    }

    private static Properties read(Path file) {
        Properties properties = new Properties();
        try {
            properties.load(new StringReader(Files.readString(file)));
        } catch (NoSuchFileException none) {
            // Nothing is told.
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
        return properties;
    }

    private static void replace(Path file, String text) throws IOException {
        Path fresh = file.resolveSibling(file.getFileName() + ".new");
        Files.write(fresh, text.getBytes(StandardCharsets.UTF_8));
        try {
            Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException error) {
            throw new IOException(error);
        }
    }
}
