"""Virtual rasters that name what they must not: text alone, to be written beside an honest `good.tif`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Vrt:
    """The text of a VRT, and words of its refusal."""

    text: str
    reason: str


def mosaic(source: str, relative: int = 1, side: str = "100") -> str:
    """A VRT of one band over one source."""
    return (
        f'<VRTDataset rasterXSize="{side}" rasterYSize="{side}"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        f'<SourceFilename relativeToVRT="{relative}">{source}</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )


def one_band(attributes: str, body: str) -> str:
    """A VRT of one band of a special kind."""
    band = f'<VRTRasterBand dataType="Byte" band="1" {attributes}>{body}</VRTRasterBand>'
    return f'<VRTDataset rasterXSize="100" rasterYSize="90">{band}</VRTDataset>'


RAW = (
    '<SourceFilename relativetoVRT="0">/etc/passwd</SourceFilename><ImageOffset>0</ImageOffset><PixelOffset>1</PixelOffset>'
    "<LineOffset>1</LineOffset>"
)
PYTHON = (
    "<PixelFunctionLanguage>Python</PixelFunctionLanguage><PixelFunctionType>f</PixelFunctionType>"
    "<PixelFunctionCode><![CDATA[import os\ndef f(*a, **k): os.system('touch /tmp/owned')]]></PixelFunctionCode>"
    '<SimpleSource><SourceFilename relativeToVRT="1">good.tif</SourceFilename></SimpleSource>'
)
OPTIONS = '<OpenOptions><OOI key="a">b</OOI></OpenOptions>'
BOMB = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>' + mosaic("&b;")
TWO_TYPES = mosaic("good.tif").replace("</VRTDataset>", '<VRTRasterBand dataType="Float32" band="2"/></VRTDataset>')

VRTS = {
    "outside_by_dots": Vrt(mosaic("../other/secret.tif"), "leads out of its folder"),
    "outside_by_path": Vrt(mosaic("/etc/passwd", 0), "leads out of its folder"),
    "outside_by_link": Vrt(mosaic("way.out"), "leads out of its folder"),
    "an_address": Vrt(mosaic("http://127.0.0.1:9/x.tif", 0), "no plain path"),
    "a_virtual_file_system": Vrt(mosaic("/vsicurl/http://127.0.0.1:9/x.tif", 0), "no plain path"),
    "another_driver": Vrt(mosaic("GTIFF_DIR:1:good.tif", 0), "no plain path"),
    "a_virtual_raster_in_the_name": Vrt(mosaic("&lt;VRTDataset/&gt;", 0), "no plain path"),
    "itself": Vrt(mosaic("itself.vrt"), "is made of itself.vrt"),
    "nothing_there": Vrt(mosaic("gone.tif"), "is not there"),
    "a_text": Vrt(mosaic("words.txt"), "words.txt is no TIFF"),
    "raw_bytes_of_a_system_file": Vrt(one_band('subClass="VRTRawRasterBand"', RAW), "VRTRawRasterBand"),
    "relative_to_another_folder": Vrt(mosaic("good.tif", 0), "leads out of its folder"),
    "class_in_small_letters": Vrt(
        mosaic("good.tif").replace(' band="1"', ' band="1" subclass="VRTDerivedRasterBand"'), "VRTDerivedRasterBand"
    ),
    "name_in_small_letters": Vrt(mosaic("good.tif").replace("SourceFilename", "sourcefilename"), "<sourcefilename> in <SimpleSource>"),
    "source_in_the_metadata": Vrt(
        mosaic("good.tif").replace("<VRTRasterBand", "<Metadata><SRS/></Metadata><VRTRasterBand"), "<SRS> in <Metadata>"
    ),
    "python": Vrt(one_band('subClass="VRTDerivedRasterBand"', PYTHON), "VRTDerivedRasterBand"),
    "python_without_the_class": Vrt(one_band("", PYTHON), "PixelFunction"),
    "warped": Vrt('<VRTDataset rasterXSize="9" rasterYSize="9" subClass="VRTWarpedDataset"/>', "VRTWarpedDataset"),
    "open_options": Vrt(mosaic(f"good.tif</SourceFilename>{OPTIONS}<SourceFilename>good.tif"), "OpenOptions"),
    "entities": Vrt(BOMB, "document type"),
    "cut_short": Vrt(mosaic("good.tif")[:-30], "is no XML"),
    "no_xml": Vrt("nothing", "is no VRT file"),
    "another_root": Vrt('<?xml version="1.0"?><a/>', "its root is a"),
    "absurd_size": Vrt(mosaic("good.tif", side="2000000000"), "2000000000 x 2000000000"),
    "no_size": Vrt(mosaic("good.tif", side="-1"), "cannot be opened"),
    "size_in_words": Vrt(mosaic("good.tif", side="many"), "cannot be opened"),
    "two_types": Vrt(TWO_TYPES, "float32, uint8"),
}
