import java.io.*;
import java.util.*;
import java.util.zip.*;

/** Reads each given zip as a file (every entry's content, and its CRC-32) and, after "-s", as a stream too. */
public class ReadZips {
    static long[] drain(InputStream in) throws IOException {
        CRC32 crc = new CRC32();
        byte[] buffer = new byte[1 << 16];
        long size = 0;
        for (int n; (n = in.read(buffer)) > 0; size += n) crc.update(buffer, 0, n);
        return new long[] {size, crc.getValue()};
    }

    static void print(String how, ZipEntry e, long[] got) {
        System.out.printf("%s %d %d %d %s%n", how, got[0], got[1], e.getLastModifiedTime().toMillis(), e.getName());
    }

    public static void main(String[] args) throws IOException {
        System.setOut(new PrintStream(new FileOutputStream(FileDescriptor.out), true, "UTF-8"));
        boolean stream = false;
        for (String arg : args) {
            if (arg.equals("-s")) { stream = true; continue; }
            String only = null;
            if (arg.indexOf("::") > 0) { only = arg.substring(arg.indexOf("::") + 2); arg = arg.substring(0, arg.indexOf("::")); }
            try (ZipFile zip = new ZipFile(arg)) {
                System.out.println("entries " + zip.size());
                for (Enumeration<? extends ZipEntry> all = zip.entries(); all.hasMoreElements();) {
                    ZipEntry e = all.nextElement();
                    if (only == null || e.getName().endsWith(only))
                        print("file", e, drain(zip.getInputStream(e)));
                    else
                        print("listed", e, new long[] {e.getSize(), e.getCrc()});
                }
            }
            if (!stream) continue;
            try (ZipInputStream zip = new ZipInputStream(new BufferedInputStream(new FileInputStream(arg)))) {
                for (ZipEntry e; (e = zip.getNextEntry()) != null;) print("stream", e, drain(zip));
            }
        }
    }
}
