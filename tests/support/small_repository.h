// A complete small repository (keys: unique id 00…1f, master key 40…5f, secret 80…9f, password "test-password").
#pragma once

namespace cairn::testing::small_repository {

inline constexpr const char* kFormatBlob =
    "{\n"
    "  \"tool\": \"https://github.com/kopia/kopia\",\n"
    "  \"buildVersion\": \"v0-unofficial\",\n"
    "  \"buildInfo\": \"unknown\",\n"
    "  \"uniqueID\": \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\",\n"
    "  \"keyAlgo\": \"scrypt-65536-8-1\",\n"
    "  \"encryption\": \"AES256_GCM\",\n"
    "  \"encryptedBlockFormat\": \""
    "UpisrVFotTsBBlpiZ9XnDRvjvrGOIELKY+CCH5xSzlsrdK2I3AMMDj5NTimB+UyAKlIc6WR/sM6R1UdgsK1Bhhb37V2LO/U6m+OPxbU/d8HjV6"
    "oLKqS6U8feioGGCloBydyd/zwpxLcl14yDmjyUqPcFsFa8KIdMCyNAwxV3WR61Mebfxwjxio7JBtQ4TLJyqB1QO5EYbZd9VRL+nHVf2j7FeKmu"
    "BF9arhso+Cqs4RvbbzgY+XY6WWqXvT3W49aQHg4olDQs+pKcrPzrC40NiDjtSCmClyNu6TSAkpHVEvigunjQ0VkXqj7M4fBV6rNw8qzKP4png4"
    "FdHcuG2jmPYOqJ11yl2UBWZBfXtWXJqna5Qi5FvdIv0+JWISwikjpmmORN7jiKZeVcNO3uJQTF7+k8Knk5RlmbDnbXFEVzupebS3+2mlcTc4CN"
    "IzCRs7MvCjxzmbianSWEZXxJPHNWdYqRJfNQcgV+j13Qwy/9Et7q1DLe1sfJTn4GS25jGvKKAzeR2T8aPslYkYG6jVAgXqAtKl0ajf0wAFqQcA"
    "xwQEKGziL3+CYeunm6YTZbM6MVzqTY+KtIECEE6YFiM5k8KXxo1BFeNmahflB7mOyrPs7+0te+8DNwAwQ8msW6HIPvYOEp+eZpxK02+t+Wacpq"
    "Milxy33IzpjjRocr2zcFHdbTJ/xsuMR0pRBPFSkx14e6yK5NazAxIPTs06s+Ax40QayviZ+qckXlZ3YJkw9I+u/Hwq/fELEjkl3ebnwbSoS0wR"
    "DKK9eihScA7pUzqoA++Pxq0N7M7GmeX712vHsTWA=="
    "\"\n"
    "}\n";
inline constexpr const char* kInnerJson =
    "{\"format\":{\"hash\":\"BLAKE2B-256-128\",\"encryption\":\"AES256-GCM-HMAC-SHA256\",\"secret\":"
    "\"gIGCg4SFhoeIiYqLjI2Oj5CRkp"
    "OUlZaXmJmam5ydnp8=\",\"masterKey\":\"QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8=\",\"version\":3,\"maxPackSize\":"
    "20971"
    "520,\"indexVersion\":2,\"epochParameters\":{\"Enabled\":true,\"EpochRefreshFrequency\":1200000000000,"
    "\"FullCheckpointFr"
    "equency\":7,\"CleanupSafetyMargin\":14400000000000,\"MinEpochDuration\":86400000000000,"
    "\"EpochAdvanceOnCountThreshol"
    "d\":20,\"EpochAdvanceOnTotalSizeBytesThreshold\":10485760,\"DeleteParallelism\":4},\"enablePasswordChange\":true,"
    "\"spl"
    "itter\":\"DYNAMIC-4M-BUZHASH\"}}";
inline constexpr const char* kPassword = "test-password";

// The rest is in hex.
inline constexpr const char* kBlobConfig = "142458fd569772046b25e70fa0da1a74a742fff362002f6dbc4bc6a47cf3";
inline constexpr const char* kMaintenance =
    "000102030405060708090a0b3f57046d13d01a10ea3b99cb8fafbf0b7a8c71a463488158a330952bdafdedc10edb6d6d0fe0f7ca2a16be"
    "42a5b7f18ae353b46379359d053c82baca69912422846da29f257ce234159b93d4f94b4c8fc24e6ace9826cd98123018712a95baca4a87"
    "9ca9d5ed9d61853ecacbefde7fe7cbf6005802573729";
inline constexpr const char* kMaintenanceJson =
    "{\"nextFullMaintenance\":\"2024-01-03T03:04:05Z\",\"nextQuickMaintenance\":\"2024-01-02T04:04:05Z\",\"runs\":"
    "null}";

inline constexpr const char* kSessionId = "se399594b2565747b5faf9150deb80548-s3035f716e3c5b0d9124";
inline constexpr const char* kSession =
    "fa192db62dd105180a0e2d1295f50b8f94bc9d3af4c01e6447c0e13ec3b891f8bd7d76871e645aa1c8f74e2d53434f435d98f308eca539"
    "019bae9d70392c58d14611d8bcd91821c36091deb7817356de7e3e9995c49ed03e1dff16d4d3ed463c355a592cde478786eef14d0574fc"
    "d2320892279eca2b9ae37c70854c7d70d08b27a9bf8a35e306128f5c2b128edb8404659600feabd1efb3944a4c9f4bfbd64423c3284036"
    "3ea0e029ed";
inline constexpr const char* kSessionJson =
    "{\"id\":\"s3035f716e3c5b0d9124\",\"startTime\":\"2024-01-02T03:04:05Z\",\"checkpointTime\":"
    "\"2024-01-02T03:04:05Z\",\"username\":\"alice\",\"hostname\":\"host1\"}";

inline constexpr const char* kPackP = "p06b242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124";
inline constexpr const char* kPackQ = "q6b4a66df574a2a2fb2d047af93961459-s3035f716e3c5b0d9124";
struct StoredContent {
  const char* id;
  const char* stored;
};
inline constexpr StoredContent kContents[] = {
    {"1996bd5b8ff62a7ed450720813919008",
     "37353dfc352c33a0a85b434ad380865efc29b766c6899c5485ac95025721a82193319c884cb015"},
    {"2c2553f02f617f4d229868120d4ccf6b",
     "dbef152a7c9ebf28978c7679355d3fa5187212bb913c3bd3a61c10eff6f1a3cf34fc15a6fa5c565c449540b689d40c77954d"
     "547f246e00b8c0c1244b82"},
    {"k1d691824fc50414337e379499a9e8acc",
     "b1b76debded5f4b90a5571b4e5fab46deb03cdec4773451ba70d6d07f5cf80a7622cf44d42a978ac0ffa8cc1f39fbb6cfdef"
     "8e1a522943327b85785522b7fe2b5ceb4e3f02af3b59e6de86033b0f2c8bd066a58f"},
};
// Decrypted payload of the second content.
inline constexpr const char* kSecondPayload = "0000110128b52ffd44002c00750000306b6f70696120015406032c2309b8848281";

// Encrypted local index and postamble of the first pack, and the index after decryption (32 random bytes follow).
inline constexpr const char* kLocalIndex =
    "c6e3a9381820c2ee3ba9fc3f41c10b8166d86350efcb90deea52dba6174a92296401449b5a832255b865b8e0f714fb882b5b6f71bd9e13"
    "44cf49b589ae6a15c6f1a1ef883d6818b2af9f0f5d3b79a530f16b432bf998629e4a6683208afc79e62ad479a6f7dd547ffbf2023cd913"
    "14314dacabbaa63a7131be94a3dc280d13457709cdc73e5299ba80a6b04f3d8762cef3c5e20952a4a0fe7ee7abc801d227477daca7f456"
    "d9b3e40797c9fc393bc032aab0a5ae2071a17f22620d2d1955b68c31ac6d2e879b1126f01385f87222efd46c36f0d2578c4d4a";
inline constexpr const char* kPostamble = "01108277cb8e9e18d49efd44c4b79e2a5d068020d80153d8782a1a";
inline constexpr const char* kLocalIndexPlain =
    "0211001100000002000000010200000000001996bd5b8ff62a7ed45072081391900865937d250000002000000b000027000000002c2553"
    "f02f617f4d229868120d4ccf6b65937d250000004700012c00003d00000136000000660000000003000000110103007030366232343264"
    "373536363764313763626364646665656161633033396665642d7333303335663731366533633562306439313234";

inline constexpr const char* kIndex1Id = "xn0_c0f733e98f9f11868cf685f9b1990e6c-s3035f716e3c5b0d9124-c1";
inline constexpr const char* kIndex1 =
    "e9214d06a71bbac4ebcbda70d1e43897f92e9191865182ada6f28d4ca5ecc8dbb978b18a5d29d87e8d7a829ac2976d4081accd6c6f6420"
    "25033ce0385139ee6776de84e9bdf7bc24b46974d26c5cbe7b02ad3aeaf79fb08109d8699440b1d18ea5c7ffa90bbc9f99bafe1215a940"
    "04407ac9911fbf2ea355690020a2309a6e4dc7b14f7d9992b48ab072906c74d175fdacae31eb4ad819bc4d67bc6375d6dd12bb89ca40b6"
    "5e850a675f6c29471d0c20f1cb9516b514ea26a781950fe4559b3431a61aeb8d5f8b0fc0f6198c2a3b3555e41bf718a8ac86934b7956ed"
    "4a7e765e001dde4ab45ad48c1f01148b76f39475505c92abe8aea9bc1a22b1e5c7c60bc96d2c1c83f40af3b7212c911902301375e3fde1"
    "3133";
inline constexpr const char* kIndex1Plain =
    "0211001100000003000000020200000000001996bd5b8ff62a7ed45072081391900865937d250000002000000b000027000000002c2553"
    "f02f617f4d229868120d4ccf6b65937d250000004700012c00003d0000016b1d691824fc50414337e379499a9e8acc65937d2500000020"
    "000118000054000101360000008d36000000c3000000000300000011010300703036623234326437353636376431376362636464666565"
    "6161633033396665642d733330333566373136653363356230643931323471366234613636646635373461326132666232643034376166"
    "39333936313435392d7333303335663731366533633562306439313234";
inline constexpr const char* kIndex2Id = "xn0_0d2296bd8340a8a4b6c06f9d05400030-s21620b8a9ddccc2c124-c1";
inline constexpr const char* kIndex2 =
    "ac6dca6fc6f04367658e347ec529888472d065aec1f57fa4d0feabb1489d7937fcf1560b37bf7dab80db3040ccb2a3d8f23a39386c5cd5"
    "1555e9a8ea935fe198170982b0e7cf963a035e221804beb65546ba6bccb885aff4bd48a55bfb734a500d2bf7233602341ea951e0a7c53e"
    "95879756b4c6c17379d80b99276d203f40fad39c5da654ea3d4f4a978d0c1759a2";
inline constexpr const char* kIndex2Plain =
    "0211001000000001000000010100000000001996bd5b8ff62a7ed45072081391900865938b358000002000000b0000270000360000003d"
    "0000000003007030366232343264373536363764313763626364646665656161633033396665642d733330333566373136653363356230"
    "6439313234";

}  // namespace cairn::testing::small_repository
